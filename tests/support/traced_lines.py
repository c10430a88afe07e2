"""Coverage goes on after a trace.

nnsight keeps the body of ``with model.trace()`` from running where it stands by taking the thread's trace function away
at its first line, and hands it back within ``__exit__``. Whoever measures lines then sees a call end whose beginning it
did not see, and puts the lines that follow, up to the test itself, down to the wrong functions.
"""

import sys
from typing import Any

from nnsight.intervention.tracer import InterleavingTracer
from nnsight.tracing.tracer import ExitTracingException, Tracer


def tell_of_ends() -> None:
    """Let the trace function that was taken away see that the end of a trace begins."""
    for tracer in (Tracer, InterleavingTracer):
        _tell_of_end(tracer)


def _tell_of_end(tracer: type[Tracer]) -> None:
    end = tracer.__exit__

    def seen(self: Tracer, kind: Any, error: Any, traceback: Any) -> bool:
        # One that is there again has been told by the end that called this one.
        if isinstance(error, ExitTracingException) and error.displaced is not None and sys.gettrace() is None:
            error.displaced(sys._getframe(), "call", None)
        return end(self, kind, error, traceback)

    tracer.__exit__ = seen
