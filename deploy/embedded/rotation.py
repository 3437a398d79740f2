"""`make rotate-key`: a new key for assertions or artefacts, without an outage."""

import time
from collections.abc import Callable
from pathlib import Path

from embedded import inside, keys
from embedded.failure import Failure
from embedded.home import Home
from embedded.speech import say

#: Seconds until nothing counts any more that the former key has just signed: an assertion lives 60,
#: and a model that a worker has just signed is in the registry.
GRACE = 120.0

#: What gives everything that the former key keeps to the new one, by the key's name.
_AFTER = {
    "assertion": ("gateway", "gateway.resealing"),
    "artefact": ("training", "training.resigning"),
}
_STEPS: dict[str, Callable[[Path, str], None]] = {
    "begin": keys.begin,
    "sign": keys.sign,
    "finish": keys.finish,
}


def rotate(home: Home, name: str, *, grace: float = GRACE) -> None:
    """Replace a key of the stack on this machine; one that was broken off is gone on with.

    Raises:
        Failure: nothing has run here, or something still needs the former key.
    """
    keys.begin(home.keys, name)
    say(f"A new {name} key is published.")
    keys.sign(home.keys, name)
    say(f"The new {name} key signs. The former one still counts for {grace:.0f} s.")
    _give_over(home, name)
    time.sleep(grace)
    _give_over(home, name)  # what was under way when the new key came
    keys.finish(home.keys, name)
    say(f"The former {name} key is forgotten.")


def step(folder: Path, name: str, which: str) -> None:
    """Take one step in a folder of keys that other machines get copies of.

    Raises:
        Failure: the folder holds no such keys, or the steps come in another order.
    """
    _STEPS[which](folder, name)
    say(f"{folder}: {which} is done for the {name} key.")


def _give_over(home: Home, name: str) -> None:
    if inside.run(home, *_AFTER[name]) != 0:
        raise Failure(
            f"Something could not be given to the new {name} key (see above). Both keys count "
            "until this command succeeds: run it again."
        )
