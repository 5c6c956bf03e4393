"""Random programs: what an application and its users may do, in and around transactions.

A program is a list of steps, and a step is a tuple: ``('pause',)`` and ``('resume',)`` stop and
start what sends, ``('restart',)`` the whole application, and ``('transaction', where, context,
actions, end)`` does something in between. Numbers choose among what there is.
"""

from hypothesis import strategies as st

OWNERS = (None, None, None, None, 'president', 'head', 'manager', 'other_manager', 'stranger')
#: What subscriptions are for: names and patterns, a type and a verb, or the type of a resource.
WANTED = (
    ['*'],
    ['*'],
    ['employee.*'],
    ['employee.added'],
    ['employee.modified'],
    ['employee.moved'],
    ['*.moved'],
    ['boss.moved', 'employee.promoted'],
    ['employee.greeted', 'company.closed'],
    ('person', None),
    ('employee', 'modified'),
    ('boss', None),
    ('folder', None),
    ('employee', 'moved'),
    'resource',
)
number = st.integers(0, 7)
way = st.sampled_from(['one', 'two', 'zope', 'twice'])

subscribing = st.tuples(
    st.just('subscribe'), number, st.sampled_from(WANTED), st.sampled_from(OWNERS)
)
adding = st.tuples(st.just('add'), number, st.sampled_from(['employee', 'boss']), way)
changing = st.tuples(st.sampled_from(['modify', 'promote']), number, way)
actions = st.one_of(
    subscribing,
    subscribing,
    adding,
    changing,
    changing,
    st.tuples(st.sampled_from(['activate', 'deactivate', 'unsubscribe']), number),
    st.tuples(st.just('remove'), number, st.booleans(), way),
    st.tuples(st.just('move'), number, number, way),
    st.tuples(st.just('greet'), number, st.booleans()),
    st.tuples(st.just('close'), number, st.sampled_from([None, None, 'head', 'manager'])),
    st.tuples(st.just('add_folder'), number, st.sampled_from(OWNERS[4:-1])),
    st.tuples(st.just('modify_folder'), number, way),
    st.tuples(st.just('move_folder'), number, number, way),
    st.tuples(st.just('remove_folder'), number, st.booleans()),
    st.tuples(st.just('leave'), st.sampled_from(OWNERS[4:])),
    st.tuples(st.just('savepoint')),
    st.tuples(st.just('roll_back'), number),
)
transactions = st.tuples(
    st.just('transaction'),
    st.sampled_from(['request', 'request', 'script']),
    number,
    st.lists(actions, min_size=2, max_size=7),
    st.sampled_from(['commit'] * 6 + ['abort', 'veto']),
)
steps = st.one_of(
    transactions,
    transactions,
    transactions,
    transactions,
    transactions,
    st.sampled_from([('pause',), ('resume',), ('restart',)]),
)
#: At first some subscribe; it is of no use to look at what nobody wants.
beginnings = st.tuples(
    st.just('transaction'),
    st.just('script'),
    st.just(0),
    st.lists(st.one_of(subscribing, subscribing, adding), min_size=3, max_size=8),
    st.just('commit'),
)
programs = st.builds(
    lambda beginning, others: [beginning, *others],
    beginnings,
    st.lists(steps, min_size=3, max_size=9),
)
