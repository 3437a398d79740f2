"""The command line behind the Makefile: `python -m embedded up|down|status|…`."""

import argparse
import sys
from pathlib import Path

from embedded import inside, keys
from embedded.down import down
from embedded.failure import Failure
from embedded.rotation import GRACE, rotate, step
from embedded.settings import load
from embedded.speech import say
from embedded.status import status
from embedded.trace import trace
from embedded.up import up


def arguments() -> argparse.ArgumentParser:
    """Return the grammar of the command line."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("up", help="start everything in the foreground")
    start.add_argument("--backends", help="embedded or servers (MILLRACE_BACKENDS)")
    start.add_argument("--replicas", help="processes of each service (MILLRACE_REPLICAS)")
    start.add_argument("--brokers", help="nodes of Kafka (MILLRACE_BROKERS)")
    verbs.add_parser("down", help="stop what `up` started")
    verbs.add_parser("status", help="list the processes").add_argument(
        "--json", action="store_true"
    )
    verbs.add_parser("logs", help="follow the logs").add_argument("service", nargs="?")
    verbs.add_parser("trace", help="print one trace").add_argument("id")
    verbs.add_parser("assertion", help="print an internal assertion for the API key on stdin")
    verbs.add_parser("invitation", help="print an invitation to make a tenant").add_argument("to")
    rotation = verbs.add_parser("rotate-key", help="replace one of the platform's own keys")
    rotation.add_argument("name", choices=keys.NAMES)
    rotation.add_argument("--step", choices=["begin", "sign", "finish"])
    rotation.add_argument("--folder", type=Path, help="keys of another place than MILLRACE_HOME")
    rotation.add_argument("--grace", type=float, default=GRACE, help="seconds before the last step")
    verbs.add_parser("replay", help="send remembered events again").add_argument("service")
    verbs.add_parser("unclaimed", help="list purchases that could not be applied")
    deletion = verbs.add_parser("delete-tenant", help="delete a tenant with all that it has")
    deletion.add_argument("tenant", help="the tenant's uid")
    deletion.add_argument("--yes", action="store_true", help="do it")
    verbs.add_parser("deletions", help="list the tenants that were deleted")
    verbs.add_parser("dead", help="list dead letters").add_argument("topic", nargs="?")
    redrive = verbs.add_parser("redrive", help="put dead letters back for who failed")
    redrive.add_argument("topic")
    redrive.add_argument("which", nargs=argparse.REMAINDER)
    verbs.add_parser("migrate", help="upgrade the databases").add_argument("service", nargs="?")
    return parser


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked for and return the exit status."""
    said = vars(chosen)
    settings = load(**{name: said.get(name) for name in ("backends", "replicas", "brokers")})
    home = settings.home
    match chosen.verb:
        case "up":
            up(settings)
        case "down":
            down(home)
        case "status":
            status(home, as_json=chosen.json)
        case "logs":
            inside.follow_logs(home, chosen.service)
        case "trace":
            trace(home, chosen.id)
        case "assertion":
            return inside.run(home, "gateway", "gateway.assertion")
        case "invitation":
            return inside.run(home, "gateway", "gateway.invitation", chosen.to)
        case "rotate-key" if chosen.step:
            step(chosen.folder or home.keys, chosen.name, chosen.step)
        case "rotate-key":
            rotate(home, chosen.name, grace=chosen.grace)
        case "replay":
            return inside.run(home, chosen.service, "chassis.replay", chosen.service)
        case "unclaimed":
            return inside.run(home, "billing", "billing.unclaimed")
        case "delete-tenant":
            sure = ["--yes"] if chosen.yes else []
            return inside.run(home, "gateway", "gateway.deletion", chosen.tenant, *sure)
        case "deletions":
            return inside.run(home, "gateway", "gateway.deletion")
        case "dead":
            topic = [chosen.topic] if chosen.topic else []
            return inside.run(home, "gateway", "chassis.dead_letters", "list", *topic)
        case "redrive":
            which = (chosen.topic, *chosen.which)
            return inside.run(home, "gateway", "chassis.dead_letters", "redrive", *which)
        case "migrate":
            return inside.migrate(settings, chosen.service)
    return 0


def main() -> int:
    """Run the command line; what a user can mend is a sentence and not a traceback."""
    try:
        return run(arguments().parse_args())
    except Failure as failure:
        say(str(failure))
        return 1


if __name__ == "__main__":
    sys.exit(main())
