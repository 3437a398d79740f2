"""The gateway's own settings: where the services are, who may ask how often, how long people stay
signed in.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, SecretStr

from chassis.settings import Settings
from gateway.domain.origins import Origins
from gateway.domain.rates import Rate, parse
from gateway.forwarding.proxies import Proxies


def _rate(text: str) -> str:
    parse(text)
    return text


def _networks(text: str) -> str:
    Proxies(text)
    return text


def _origins(text: str) -> str:
    Origins.parse(text)
    return text


RateText = Annotated[str, AfterValidator(_rate)]


class GatewaySettings(Settings):
    """What the gateway needs beside what every service has."""

    #: Addresses of each service: one, or those of several replicas, separated by commas.
    catalog_url: str = "http://127.0.0.1:8001"
    training_url: str = "http://127.0.0.1:8002"
    inference_url: str = "http://127.0.0.1:8003"
    billing_url: str = "http://127.0.0.1:8004"
    experiments_url: str = "http://127.0.0.1:8005"

    admin_username: str = "admin"
    admin_email: str = "admin@example.com"
    admin_password: SecretStr | None = None

    #: Who may make a tenant: anybody, whom the operator invites, or nobody. Unset, anybody, and in
    #: production whom the operator invites.
    registration: Literal["open", "invited", "closed"] | None = None

    #: `iss` and `aud` of the tokens that people carry.
    token_issuer: str = "millrace"  # noqa: S105
    token_audience: str = "authenticated"  # noqa: S105
    access_token_lifetime: int = Field(
        default=300,
        ge=1,
        validation_alias=AliasChoices("MILLRACE_ACCESS_TOKEN_LIFETIME", "ACCESS_TOKEN_LIFETIME"),
    )
    refresh_token_lifetime: int = Field(default=24 * 3600, ge=1)
    #: Age in days at which the key that signs tokens is followed by a new one.
    token_key_days: float = Field(default=30, gt=0)
    #: Whether cookies are for https alone; unset, they are where the profile is production.
    cookie_secure: bool | None = None
    #: Origins beside the gateway's own, separated by commas, whose pages may use cookies.
    trusted_origins: Annotated[str, AfterValidator(_origins)] = ""

    #: `memory://` or a Redis URL, for several gateways that count together.
    rates_url: str = "memory://"
    rate_key: RateText = "1000/minute"
    rate_anonymous: RateText = "60/minute"
    rate_person: RateText = "200/minute"
    rate_inference: RateText = "100/minute"
    rate_login: RateText = "5/minute"
    #: Failed log-ins at one account from one network, and new tenants from one network.
    rate_account: RateText = "20/hour"
    rate_registration: RateText = "20/hour"

    #: Addresses and networks of proxies, separated by commas, whose X-Forwarded-For, -Proto, -Host
    #: and -Port count.
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    #: Seconds in which a client must send a body that is no file, and for which a file may pause.
    client_timeout: float = Field(default=30, gt=0)
    #: Seconds in which a service must begin to answer, uploads and streams excepted.
    upstream_timeout: float = Field(default=10, gt=0)
    #: WebSockets that a person or key, a tenant, and all together may keep open at one gateway, and
    #: the seconds after which one is closed, so that its client comes again.
    sockets_person: int = Field(default=20, ge=1)
    sockets_tenant: int = Field(default=100, ge=1)
    sockets: int = Field(default=1000, ge=1)
    socket_seconds: float = Field(default=3600, gt=0)
    #: Answer as the running Recotem where it differs from its document.
    recotem_compat: bool = False

    @property
    def who_registers(self) -> Literal["open", "invited", "closed"]:
        """Return who may make a tenant."""
        return self.registration or ("invited" if self.profile == "production" else "open")

    @property
    def cookies_are_secure(self) -> bool:
        """Tell whether browsers may send cookies over https alone."""
        return self.profile == "production" if self.cookie_secure is None else self.cookie_secure

    def upstreams(self) -> dict[str, str]:
        """Return the addresses of each service by its name."""
        return {
            "catalog": self.catalog_url,
            "training": self.training_url,
            "inference": self.inference_url,
            "billing": self.billing_url,
            "experiments": self.experiments_url,
        }

    def rates(self) -> dict[str, Rate | None]:
        """Return the limit of each kind of caller; None where it is off."""
        return {
            "key": parse(self.rate_key),
            "anonymous": parse(self.rate_anonymous),
            "person": parse(self.rate_person),
            "inference": parse(self.rate_inference),
            "login": parse(self.rate_login),
            "registration": parse(self.rate_registration),
        }
