"""The cookies that carry a person's tokens: given, read and taken back for pages whose origin may
use them.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from gateway.api.parts import SettingsPart
from gateway.domain.cookies import ACCESS_COOKIE, REFRESH_COOKIE
from gateway.forwarding.origins import CrossOrigin
from gateway.operations.sessions import SignedIn


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of one request."""

    _request: Request
    _secure: bool

    @property
    def count(self) -> bool:
        """Tell whether the request comes from a page that may use cookies, or from no browser."""
        return bool(self._request.scope.get("millrace_may_use_cookies"))

    def refuse_foreign(self) -> None:
        """Let a request pass whose only purpose is a cookie.

        Raises:
            CrossOrigin: a page of another origin sent it.
        """
        if not self.count:
            raise CrossOrigin

    def refresh_token(self) -> str | None:
        """Return the refresh token of the cookie, or None.

        Raises:
            CrossOrigin: there is one, and a page of another origin sent the request.
        """
        token = self._request.cookies.get(REFRESH_COOKIE)
        if token:
            self.refuse_foreign()
        return token

    def give(self, response: Response, signed_in: SignedIn) -> None:
        """Give a browser its tokens where no script can read them.

        A page of another origin gets none: it could sign a person in as somebody else.
        """
        if not self.count:
            return
        for name, value, lifetime in (
            (ACCESS_COOKIE, signed_in.access, signed_in.access_lifetime),
            (REFRESH_COOKIE, signed_in.refresh, signed_in.refresh_lifetime),
        ):
            response.set_cookie(
                name, value, max_age=lifetime, httponly=True, samesite="strict", secure=self._secure
            )

    def take_back(self, response: Response) -> None:
        """Take the tokens back; a page of another origin cannot."""
        if not self.count:
            return
        for name in (ACCESS_COOKIE, REFRESH_COOKIE):
            response.delete_cookie(name, httponly=True, samesite="strict", secure=self._secure)


async def _cookies(request: Request, settings: SettingsPart) -> Cookies:
    return Cookies(request, settings.cookies_are_secure)


CookiesPart = Annotated[Cookies, Depends(_cookies)]
