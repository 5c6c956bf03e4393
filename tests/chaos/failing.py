"""A FileStorage that fails at chosen steps of chosen commits."""

from ZODB.FileStorage.FileStorage import FileStorage

#: What is done in a commit, in order. After the last step it is committed, whatever is raised.
STEPS = ('before store', 'before tpc_vote', 'before tpc_finish', 'after tpc_finish')


class FailingStorage:
    """Makes chosen commits of chosen notes fail, from when it is armed.

    It has to be there before the storage is opened, whose methods connections copy.

    :ivar count: how many such commits have come to the chosen step.
    """

    def __init__(self, monkeypatch):
        self.note = None
        self.count = 0
        for name in ('store', 'tpc_vote', 'tpc_finish'):
            monkeypatch.setattr(FileStorage, name, self._failing(name))

    def arm(self, note, numbers, error, step='before tpc_vote'):
        """Let the commits with these numbers, counted from 1, raise ``error``.

        :param numbers: anything that says what is in it.
        :param step: one of :data:`STEPS`.
        """
        self.count, self._met = 0, None
        self.numbers, self.error, self.step = numbers, error, step
        self.note = note

    def disarm(self):
        """Let everything succeed."""
        self.note = None

    def _failing(self, name):
        function = getattr(FileStorage, name)

        def wrapper(storage, *arguments):
            # The transaction is the last argument of store(), and the first one of the others.
            txn = arguments[-1] if name == 'store' else arguments[0]
            self._fail(f'before {name}', txn)
            answer = function(storage, *arguments)
            self._fail(f'after {name}', txn)
            return answer

        return wrapper

    def _fail(self, step, txn):
        if self.note is None or step != self.step or self.note not in txn.description:
            return
        if txn is not self._met:
            self._met = txn
            self.count += 1
            if self.count in self.numbers:
                raise self.error
