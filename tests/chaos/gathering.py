"""How the partitions are spread over the processes of a cluster."""

from collections import Counter

from pyramid_webhooks.outbox.root import PARTITIONS, outbox_of


def owners(company):
    """How many partitions each process owns."""

    def look(root):
        outbox = outbox_of(root._p_jar)
        counts = Counter(partition.owner for partition in outbox.partitions)
        return [counts[id] for id in outbox.processes]

    return company.transact(look)


def are_even(company, processes):
    """Whether so many processes own everything, none of them more than its share."""
    counts = owners(company)
    share = -(-PARTITIONS // processes)
    return len(counts) == processes and sum(counts) == PARTITIONS and max(counts) <= share
