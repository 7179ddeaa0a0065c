"""Who a signed request is from: the same at every gateway of the account."""

from collections.abc import Mapping

from .cloud import Key
from .errors import ApiFault
from .signing import Nonces, Signed, check_time


def admit(signed: Signed, token: str, keys: Mapping[str, Key], nonces: Nonces, now: float) -> Key:
    """Return the key that made a signature; raises ApiFault as the gateway words it.

    ``token`` is the SecurityToken of the request, empty without one.
    """
    check_time(signed.timestamp, now)
    key = keys.get(signed.access_key_id)
    if key is None:
        raise ApiFault("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    if key.disabled:
        raise ApiFault("InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
    if key.token != token:
        raise ApiFault("InvalidSecurityToken.MismatchWithAccessKey", "Specified token is wrong.")
    if key.expires_at is not None and now >= key.expires_at:
        raise ApiFault("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
    if not signed.matches(key.access_key_secret):
        raise ApiFault(
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation."
            f" server string to sign is:{signed.string_to_sign}",
        )
    nonces.use(f"{signed.access_key_id}/{signed.nonce}", now)
    key.used_at = now
    return key
