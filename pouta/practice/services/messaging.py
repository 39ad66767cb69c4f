"""Messages between the threads of a process, delivered at once.

oslo.messaging's in-process transport looks for messages twenty times a second: each step of a
boot waits for that, and a resting cloud never rests. Here a listener sleeps until one arrives.
"""

import threading
import time

from oslo_messaging._drivers import base, impl_fake

#: Only so that a listener sees sooner or later that it was stopped.
LONGEST_SLEEP = 5
arrived = threading.Condition()


class Exchange(impl_fake.FakeExchange):
    """Wakes the listeners when it has something for one of them."""

    def deliver_message(self, *args, **kwargs):
        super().deliver_message(*args, **kwargs)
        with arrived:
            arrived.notify_all()


class Listener(impl_fake.FakeListener):
    """Sleeps until a message arrives."""

    @base.batch_poll_helper
    def poll(self, timeout=None):
        deadline = None if timeout is None else time.monotonic() + timeout
        with arrived:
            while not self._stopped.is_set():
                message = self._next()
                if message is not None:
                    return message
                left = LONGEST_SLEEP if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return None
                arrived.wait(min(left, LONGEST_SLEEP))
        return None

    def _next(self):
        for target in self._targets:
            exchange = self._exchange_manager.get_exchange(target.exchange)
            context, message, reply, requeue = exchange.poll(target, self._pool)
            if message is not None:
                return impl_fake.FakeIncomingMessage(context, message, reply, requeue)
        return None


def tune():
    """Put these in the place of oslo.messaging's own."""
    impl_fake.FakeExchange = Exchange
    impl_fake.FakeListener = Listener
