"""What is kept of the deliveries that were given up."""

from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.resources.exhausted import Exhausted, GivenUp
from pyramid_webhooks.resources.message import Message, Origin


def given_up(number):
    message = Message('employee.added', 1.0, Origin(1, 'host', 1.0, '', None), {'': b'{}'})
    return GivenUp(message, f'error {number}', float(number), 1, bytes(8))


def numbers(exhausted):
    return [int(each.at) for each in exhausted]


def test_they_are_kept_up_to_the_limit_and_the_oldest_are_forgotten_first(database):
    exhausted = Exhausted()
    for number in range(200):
        exhausted.append(given_up(number), 64)
    with database.transaction() as connection:
        connection.root()['exhausted'] = exhausted
    database.cacheMinimize()
    with database.transaction() as connection:
        exhausted = connection.root()['exhausted']
        assert [each.error for each in exhausted][-1] == 'error 199'
        assert 64 <= len(exhausted) < 64 + 2 * 32
        assert numbers(exhausted) == list(range(200 - len(exhausted), 200))
        assert exhausted.forgotten(0.0) == (200 - len(exhausted), 199.0 - len(exhausted))


def test_of_what_is_forgotten_the_times_are_known_for_spans(database):
    exhausted = Exhausted()
    for number in range(10_000):
        exhausted.append(given_up(number), 0)
    assert len(exhausted) == 0
    assert exhausted.forgotten(0.0) == (10_000, 9_999.0)
    for since in (100, 5_000, 9_000):
        count, until = exhausted.forgotten(float(since))
        assert until == 9_999.0
        assert 10_000 - since <= count <= 10_000 - since + 2_500
    assert exhausted.forgotten(10_000.0) == (0, None)


@given(
    added=st.integers(0, 150),
    parts=st.lists(
        st.tuples(st.integers(1, 7), st.integers(0, 6), st.integers(0, 40)), max_size=6
    ),
    limit=st.integers(1, 60),
)
def test_what_is_taken_out_is_gone_and_everything_else_is_there_in_order(added, parts, limit):
    exhausted, model = Exhausted(), []
    for number in range(added):
        exhausted.append(given_up(number), limit)
        model.append(number)
    model = model[len(model) - len(exhausted) :]
    following = added
    for modulus, remainder, most in parts:
        wanted = [number for number in model if number % modulus == remainder][:most]

        def is_wanted(each, modulus=modulus, remainder=remainder):
            return each.at % modulus == remainder

        assert numbers(exhausted.take(is_wanted, most)) == wanted
        model = [number for number in model if number not in wanted]
        assert numbers(exhausted) == model
        for _ in range(40):
            exhausted.append(given_up(following), limit)
            model.append(following)
            following += 1
        assert len(exhausted) == len(numbers(exhausted)) < limit + 64
        assert len(exhausted) >= min(limit, len(model))
        model = model[len(model) - len(exhausted) :]
        assert numbers(exhausted) == model


def test_one_message_is_taken_out_wherever_it_is():
    exhausted = Exhausted()
    rows = [given_up(number) for number in range(70)]
    for row in rows:
        exhausted.append(row, 1000)
    for number in (69, 0, 40):
        assert exhausted.take_message(rows[number].message)
        assert not exhausted.take_message(rows[number].message)
    assert numbers(exhausted) == [each for each in range(70) if each not in (69, 0, 40)]


def test_the_older_half_can_be_forgotten_as_if_the_limit_were_lower():
    exhausted = Exhausted()
    for number in range(101):
        exhausted.append(given_up(number), 1000)
    assert exhausted.shorten()
    assert numbers(exhausted) == list(range(51, 101))
    assert exhausted.forgotten(0.0) == (51, 50.0)
    while exhausted.shorten():
        pass
    assert (len(exhausted), exhausted.forgotten(0.0)) == (0, (101, 100.0))
