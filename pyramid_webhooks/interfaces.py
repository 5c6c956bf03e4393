"""Every contract of the package, and the exceptions that are part of one."""

from __future__ import annotations

from zope.interface import Attribute, Interface
from zope.interface.common.mapping import IEnumerableMapping
from zope.interface.interfaces import IObjectEvent

#: The name under which a folder holds its manager.
MANAGER_NAME = '__webhooks__'


class DestinationRefused(ValueError):
    """A target URL, or an address that it leads to, is not one the policy allows."""


class InvalidArgument(ValueError):
    """A value that can't be used; ``name`` is the argument it was given as."""

    def __init__(self, name: str, reason: str):
        super().__init__(f'{name}: {reason}')
        self.name = name
        self.reason = reason


class UnreadableSecret(ValueError):
    """A signing secret can't be decrypted; the message names the subscription and the remedy."""


class UnknownEventType(ValueError):
    """An event type was named that nobody registered; the message lists the valid ones."""


# --- what lives in the tree ------------------------------------------------------------------


class IWebhookFolder(Interface):
    """Keeps the manager of one folder. Adapt a folder to it to keep the manager elsewhere."""

    def get_manager():
        """Return the folder's :class:`ISubscriptionManager`, or None."""

    def set_manager(manager):
        """Keep ``manager``; None takes it away."""


class ISubscriptionManager(IEnumerableMapping):
    """A mapping id -> :class:`ISubscription`, held by one folder; oldest subscription first."""

    def create_subscription(
        to,
        *,
        events=None,
        for_=None,
        when=None,
        owner=None,
        permission=None,
        dialect=None,
        secret=None,
        headers=None,
        description='',
    ):
        """Make, store, activate and return a subscription.

        :raises ValueError: for a value that can't be used; the sentence names the argument.
        """

    def activate(subscription):
        """Start to deliver to it (again); return False when it was active already."""

    def deactivate(subscription, message=None):
        """Stop delivering to it, for the reason ``message``; False when it was inactive."""

    def matching(keys):
        """Yield the active subscriptions that have any of these index keys, each once."""

    def __delitem__(id):
        """Deactivate and remove a subscription; what it is still owed is dropped."""


class IGlobalManager(ISubscriptionManager):
    """The manager of the subscriptions that the configuration defines; it is read-only."""


class ITreeDeclarations(Interface):
    """Mapping: what the configuration wants to be kept in the tree, by name or digest."""


class ISubscription(Interface):
    """A wish to get certain events at a URL.

    ``active`` and ``status_message`` are changed only through the manager.
    """

    id = Attribute('Letters, digits, hyphens and underscores; unique in its manager')
    to = Attribute('Target URL')
    events = Attribute('Tuple of names of event types and patterns, or None')
    for_ = Attribute('Class or interface of the objects wanted, or None when ``events`` is set')
    when = Attribute('Interface of the events wanted, or None when ``events`` is set')
    owner = Attribute('Userid whose permission is judged, or None')
    permission = Attribute("Permission the owner needs on the object; None: the setting's")
    dialect = Attribute("Name of a dialect; None: the setting's")
    active = Attribute('Whether it gets anything')
    status_message = Attribute('Why it is active or not, as a sentence')
    headers = Attribute('Mapping of additional request headers')
    secrets = Attribute('Tuple of the signing secrets in force, newest first; not to be shown')
    public_keys = Attribute('Tuple of the ``whpk_`` keys of those that are ed25519 keys')
    description = Attribute('Free text, for people')
    created = Attribute('Aware datetime, UTC')
    modified = Attribute('Aware datetime, UTC')
    attempts = Attribute('Mapping id -> IAttempt, oldest first, pending ones included')
    kind = Attribute('``dynamic``, ``tree`` or ``global``')
    statistics = Attribute('An :class:`IStatistics`, as of now')

    def is_applicable(obj, request=None):
        """Whether the owner has the permission on ``obj`` now; True where there is no owner."""

    def ping():
        """Owe it a ``webhook.ping``, which is tried once, and return the pending attempt.

        :raises ValueError: when it is not active, or in no database.
        """

    def recover(since):
        """Let everything that failed be sent again, the oldest first, each on a new schedule.

        That is what was given up, and what waits for its next attempt.

        :param since: aware datetime.
        :returns: an object with ``count``, the number of deliveries that are sent again;
            ``unreachable``, of how many more (at most) no record is kept; and
            ``unreachable_until``, when the last of those was given up, or None.
        :raises ValueError: when ``since`` is not aware, or the subscription in no database.
        """

    def rotate_secret(overlap=86400.0, secret=None):
        """Sign with a new secret, and for ``overlap`` seconds with the present ones, too.

        :param secret: the new one; by default one of the same scheme is made.
        :returns: the new secret.
        """


class IStatistics(Interface):
    """Figures about one subscription. To look at them costs little, however much it got."""

    sent = Attribute('Attempts that succeeded since it was made')
    failed = Attribute('Attempts that failed since then')
    pending = Attribute('Deliveries that it is owed now')
    last_success = Attribute('Aware datetime of the last success, or None')
    last_failure = Attribute('Aware datetime of the last failure, or None')
    p50 = Attribute('Seconds within which half of the latest answers came, or None')
    p95 = Attribute('Seconds within which 95 percent of them came, or None')


class ISubscriptionGrants(Interface):
    """What an adapter of a subscription may provide, to replace what its owner is granted."""

    def grants():
        """Return a mapping userid -> permissions that the user has on the subscription.

        They have them whatever the application's policy says, and over REST as well; for
        everyone else, and everything else, the lineage decides.
        """


class IWebhookOwner(Interface):
    """What a user object is adapted to, to know whose subscriptions go when it goes."""

    owner_id = Attribute('The userid that subscriptions have as their owner')


class IAttempt(Interface):
    """One try of a delivery, made or still owed."""

    id = Attribute('Made of the message id and the number')
    message_id = Attribute('``msg_…``, the same for every try of one message')
    event = Attribute('Name of the event type')
    number = Attribute('1 for the first try of the message to this subscription')
    status = Attribute('``pending``, ``successful`` or ``failed``')
    message = Attribute('``200 OK``, or a sentence about what never got an answer')
    created = Attribute('Aware datetime: when it began to be owed')
    due = Attribute('Aware datetime: when it is to be sent')
    resolved_at = Attribute('Aware datetime, or None while pending')
    request = Attribute('Object with url, method, headers (mapping), body (bytes); or None')
    response = Attribute(
        'Object with status_code, reason, headers (mapping), content (bytes), truncated, elapsed '
        '(seconds); or None'
    )
    exceptions = Attribute('Tuple of texts, oldest first')
    origin = Attribute('Object with pid, hostname, created, transaction_note, userid')

    def pending():
        """Whether it is still owed."""

    def succeeded():
        """Whether it got a 2xx answer."""

    def failed():
        """Whether it got another answer, or none."""

    def resolved():
        """Whether it succeeded or failed."""

    def retry():
        """Owe its message again, on a new schedule, and return the new pending attempt.

        :raises ValueError: when the message waits to be sent already.
        """


class IPossibleWebhookPayload(Interface):
    """Marks the types that a generic endpoint offers for subscriptions."""


class IWebhookResourceDiscriminator(Interface):
    """Adapter of a resource; says what type it stands for in a subscription."""

    def __call__():
        """Return a class or an interface."""


# --- payloads and dialects -------------------------------------------------------------------


class IWebhookPayload(Interface):
    """What is sent for an object: anything that Pyramid's JSON renderer can render."""


class IWebhookDialect(Interface):
    """A named strategy that turns (object, event) into body bytes and headers.

    ``serialize`` runs inside the application's transaction, everything else outside of any
    transaction and with plain values only.
    """

    method = Attribute('HTTP method')
    content_type = Attribute('Content type of the body')
    secret_headers = Attribute(
        'Names of headers whose values are not to be recorded, besides those whose names tell; '
        'it may be missing'
    )

    def serialize(payload, request):
        """Return the bytes of the data. They are made once for one event, and stored."""

    def body(outgoing):
        """Return the request body, the same bytes on every try of ``outgoing``."""

    def headers(outgoing):
        """Return a mapping of additional request headers."""

    def prepare(outgoing, body):
        """Return a ``requests.PreparedRequest``, or None for the one made of the above."""


class INamedEvent(IObjectEvent):
    """What ``request.webhooks.notify(name, …)`` hands to payload factories."""

    name = Attribute('Name of the event type')


# --- permission ------------------------------------------------------------------------------


class IPermitsFor(Interface):
    """What a security policy may implement, so that others than the current user are judged."""

    def permits_for(userid, context, permission):
        """Whether the user would be permitted; None where nobody has this userid."""


class IApplicability(Interface):
    """Judges owners against the application's security policy."""

    def is_applicable(subscription, obj, request=None):
        """Whether the owner of ``subscription`` has its permission on ``obj``."""


class IPrincipalsResolver(Interface):
    """What ``config.set_webhook_principals`` registers."""

    def __call__(userid, request):
        """Return the effective principals of the user, or None where there is no such user."""


# --- policies that may be replaced -----------------------------------------------------------


class IDestinationPolicy(Interface):
    """What a target URL may be."""

    def check_url(url):
        """Judge form, scheme, port and a literal address, without any DNS look-up.

        :raises DestinationRefused: with a sentence that names what is wrong.
        """

    def check_address(address, port, host):
        """Judge the address that is about to be connected to for ``host``.

        :raises DestinationRefused: with a sentence that names what is wrong.
        """


class IRetryPolicy(Interface):
    """When a failed delivery is tried again."""

    def next_delay(attempts_made, status, headers):
        """Return the seconds to wait, or None to give up.

        :param attempts_made: how many attempts of this schedule have failed, at least 1.
        :param status: HTTP status of the last answer, or None.
        :param headers: its headers, a sequence of pairs.
        """


class IPermissionNames(Interface):
    """Knows the permissions that somebody defines."""

    def __call__():
        """Return a set of names."""


class ITransportFactory(Interface):
    """What ``config.set_webhook_transport`` registers."""

    def __call__(settings, policy):
        """Return a ``requests.adapters.BaseAdapter``."""


class ISubscriptionFactory(Interface):
    """The class of the subscriptions that managers make."""


class ISubscriptionFinder(Interface):
    """What ``config.set_webhook_finder`` registers."""

    def __call__(search):
        """Yield the active subscriptions whose events match, each once.

        :param search: an object with ``obj``, ``event``, ``keys`` (what an index is asked for),
            ``managers`` (those to be searched, closest first) and ``request``.
        """


# --- between the rooms -----------------------------------------------------------------------


class ISettings(Interface):
    """The parsed settings, a :class:`pyramid_webhooks.settings.Settings`."""


class ISecretVault(Interface):
    """Encrypts signing secrets for storage, and reads what is stored."""

    def seal(secret, place):
        """Return what is to be stored of ``secret`` for the subscription with the id ``place``."""

    def open(stored, place):
        """Return the secret, or raise :class:`UnreadableSecret`."""

    def keys_of(subscription):
        """Return pairs of a key that signs, and the POSIX time when it ends or None."""


class IEventCatalogue(Interface):
    """The registered event types."""

    def names():
        """Return the sorted names."""

    def get(name):
        """Return the event type of that name, or raise :class:`UnknownEventType`."""

    def resolve(obj, event):
        """Return what the pair (object, event) is called and whom it may concern."""


class IOwedDeliveries(Interface):
    """Answers what a subscription is still owed."""

    def pending(subscription):
        """Yield plain values of the pending attempts of ``subscription``, oldest first."""

    def anything_due():
        """Whether anything is owed that is due now, and not held."""

    def tell(subscription, command):
        """Let the engine know, through the outbox, that the subscription was changed.

        :param command: ``activated``, ``deactivated``, ``changed`` or ``removed``.
        """

    def resend(attempt):
        """Owe the message of a resolved attempt again, on a new schedule.

        :returns: plain values of the new pending attempt.
        """

    def owe(subscription, message):
        """Owe a new message to the subscription; return plain values of the pending attempt."""

    def recover(subscription, since):
        """Owe again what failed since the POSIX time ``since``; return how much that is."""

    def count(subscription):
        """Return how many deliveries the subscription is owed."""


class IOverview(Interface):
    """Knows what all subscriptions together are owed, and who sends it."""

    def backlog(connection, limit=None):
        """Return an object with ``owed``, ``held`` and ``oldest``, a POSIX time or None.

        :param limit: look at no more than so many pieces of the outbox.
        """

    def processes(connection):
        """Return objects with ``id hostname pid heartbeat rate partitions``, one a process."""


class IPinger(Interface):
    """Makes pings."""

    def ping(subscription):
        """Owe a ping to the subscription; return plain values of the pending attempt."""


class IMemory(Interface):
    """Stands for the database of an application without ZODB. What it has is lost at the end."""

    database = Attribute('A ZODB database, of this process alone')
    limit = Attribute('Bytes that everything in it should take at most')

    def connection(request):
        """Return a connection that is committed when the transaction of ``request`` is."""


class IDispatcher(Interface):
    """Hears events, and records what they owe to whom in the transaction they happen in."""

    def dispatch(event, obj=None):
        """Handle an object event."""


class IDeliveryEngine(Interface):
    """What sends."""

    def start():
        """Begin to send, in threads of its own."""

    def stop(timeout=None):
        """Finish and record what is in flight; the rest stays owed."""

    def wake(hints=(), messages=()):
        """Something was committed; called in the thread that did.

        :param hints: (database name, oid of a segment of the outbox) that were added to.
        :param messages: the persistent messages that were added there, if they are at hand. What
            is not remembered of them is read from the database.
        """


# --- our own events --------------------------------------------------------------------------


class IWebhookEvent(IObjectEvent):
    """Base of the events about webhooks themselves.

    They reach a subscription only through an event type that is registered for them.
    """


class ISubscriptionEvent(IWebhookEvent):
    """Something happened to the subscription ``object``."""


class ISubscriptionCreated(ISubscriptionEvent):
    """A subscription was made."""


class ISubscriptionActivated(ISubscriptionEvent):
    """A subscription was activated."""


class ISubscriptionDeactivated(ISubscriptionEvent):
    """A subscription was deactivated."""

    message = Attribute('The reason')


class ISubscriptionRemoved(ISubscriptionEvent):
    """A subscription was removed from its manager."""


class IPreconditionLimitReached(ISubscriptionEvent):
    """The owner or permission could not be found too often.

    The subscription is deactivated then, unless a handler resets the count.
    """

    def reset():
        """Count anew from zero: the subscription stays active."""


class IAttemptResolved(IWebhookEvent):
    """An attempt has its result. ``object`` is the attempt."""

    subscription = Attribute('The subscription')


class IAttemptSucceeded(IAttemptResolved):
    """The receiver answered with 2xx."""


class IAttemptFailed(IAttemptResolved):
    """The receiver gave another answer, or none."""


class IDeliveryExhausted(IWebhookEvent):
    """A delivery was given up after its last attempt. ``object`` is the subscription."""

    message_id = Attribute('The message')
    event = Attribute('Name of the event type that the message is of')


class IDeliveryDropped(IWebhookEvent):
    """A delivery was dropped before it could be made. ``object`` is the subscription."""

    message_id = Attribute('The message')
    reason = Attribute('Why, as a sentence')
