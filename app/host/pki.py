"""The small certificate authority of an instance: who its processes are to each other, on TLS connections.

`<data>/pki/` holds `ca.pem` and `ca.key`, and a file per process with its certificate and key together, so that a
renewed one takes the place of the old in one step. Servers and clients read it for each connection.
"""

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.host.places import HostError, private_folder

CA_DAYS = 3650
DAYS = 90
EARLIER = timedelta(minutes=5)  # clocks of several machines differ


@dataclass(frozen=True)
class Issued:
    process: str
    serial: str
    ends: datetime

    @property
    def days_left(self) -> float:
        return (self.ends - datetime.now(UTC)) / timedelta(days=1)


def pki_folder(data_dir: Path) -> Path:
    return data_dir.absolute() / "pki"


def init(data_dir: Path, *, days: int = CA_DAYS) -> None:
    """Make the authority. Raises HostError when there is one."""
    folder = private_folder(pki_folder(data_dir))
    if (folder / "ca.key").exists():
        raise HostError(f"there is an authority already, in {folder}")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Segue instance")])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    made = (
        _begun(name, name, key, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca.key", _private(key))
    _write(folder / "ca.pem", made.public_bytes(Encoding.PEM))


def issue(data_dir: Path, process: str, *, hosts: Iterable[str] = (), days: float = DAYS) -> Issued:
    """Give a process a new key and certificate, good under its name and the hosts it is reached at."""
    folder = pki_folder(data_dir)
    authority, authority_key = _authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [_general_name(name) for name in dict.fromkeys([process, *hosts])]
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, process)])
    made = (
        _begun(subject, authority.subject, key, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(folder / f"{process}.pem", _private(key) + made.public_bytes(Encoding.PEM))
    return _issued(process, made)


def renew(data_dir: Path, *, within_days: float) -> list[Issued]:
    """Issue again what ends within some days, for the same names."""
    found = []
    for each in issued(data_dir):
        if each.days_left <= within_days:
            old = _certificate(pki_folder(data_dir) / f"{each.process}.pem")
            names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            found.append(issue(data_dir, each.process, hosts=[str(name.value) for name in names]))
    return found


def issued(data_dir: Path) -> list[Issued]:
    """Return the certificates there are, the authority's first."""
    files = sorted(pki_folder(data_dir).glob("*.pem"), key=lambda path: (path.stem != "ca", path.stem))
    return [_issued(path.stem, _certificate(path)) for path in files if path.stem != "ca"]


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return _certificate(folder / "ca.pem"), key
    except FileNotFoundError:
        raise HostError("there is no authority yet: manage.py pki init") from None


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    ends = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - EARLIER)
        .not_valid_after(ends)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _issued(process: str, certificate: x509.Certificate) -> Issued:
    return Issued(process, f"{certificate.serial_number:x}", certificate.not_valid_after_utc)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """Write all or nothing, readable by the owner only."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    unfinished.rename(path)
