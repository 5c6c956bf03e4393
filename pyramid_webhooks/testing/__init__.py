"""What an application's tests need to see its webhooks arrive."""

from .receiver import Receiver
from .wire import Answer, ReceivedRequest

__all__ = ['Answer', 'ReceivedRequest', 'Receiver']
