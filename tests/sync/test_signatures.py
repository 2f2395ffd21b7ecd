"""Signatures by real SSH and OpenPGP keys, made for these tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.sync.conftest import Remote

from tidemill.adapters.git.signatures import TrustedSigners


def test_the_tools_that_these_tests_need_are_here() -> None:
    missing = [tool for tool in ("ssh-keygen", "gpg", "git") if not shutil.which(tool)]

    assert missing == [], "install them: signatures cannot be tested without"


@dataclass
class Keys:
    """SSH keys in a folder, and the files that say what they may do."""

    folder: Path
    allowed: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.allowed = self.folder / "allowed"
        self.allowed.write_text("")

    def make(self, name: str, allow: str | None = "") -> tuple[str, ...]:
        """A new key; gives the options that sign a commit with it."""
        path = self.folder / name
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path))
        if allow is not None:
            key = path.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
            with self.allowed.open("a") as file:
                file.write(f'{name}@example.com namespaces="git"{allow} {key}\n')
        return ("-c", "gpg.format=ssh", "-c", f"user.signingkey={path}")


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def signed(remote: Remote, options: tuple[str, ...], **environment: str) -> str:
    remote.git(*options, "commit", "-q", "--allow-empty", "-S", "-m", "signed", **environment)
    return remote.git("rev-parse", "HEAD")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys")


def forged(remote: Remote, sha: str) -> str:
    """The commit with another message under the same signature."""
    text = remote.git("cat-file", "commit", sha).replace("\n\nsigned", "\n\nforged")
    path = remote.clone / ".git" / "forged"
    path.write_text(text + "\n")
    return remote.git("hash-object", "-t", "commit", "-w", str(path))


def test_an_allowed_ssh_key_is_good_and_its_owner_known(desk: Remote, keys: Keys) -> None:
    sha = signed(desk, keys.make("ada"))

    found = TrustedSigners(allowed_signers=keys.allowed).verify_commit(desk.clone, sha)

    assert found.is_good
    assert found.signer == "ada@example.com"
    assert found.key.startswith("SHA256:")


def test_no_signature_is_said_to_be_none(desk: Remote, keys: Keys) -> None:
    found = TrustedSigners(allowed_signers=keys.allowed).verify_commit(desk.clone, desk.commit())

    assert (found.verdict, found.reason) == ("unsigned", "is not signed; `git commit -S` signs")


def test_a_stranger_s_ssh_key_is_unknown(desk: Remote, keys: Keys) -> None:
    sha = signed(desk, keys.make("eve", allow=None))

    found = TrustedSigners(allowed_signers=keys.allowed).verify_commit(desk.clone, sha)

    assert found.verdict == "unknown"
    assert "not in the allowed signers file (SHA256:" in found.reason


def test_an_ssh_key_after_its_time_has_expired(desk: Remote, keys: Keys) -> None:
    sha = signed(desk, keys.make("old", allow=',valid-before="20200101"'))

    found = TrustedSigners(allowed_signers=keys.allowed).verify_commit(desk.clone, sha)

    assert found.verdict == "expired"
    assert "outside its time of validity" in found.reason


def test_a_revoked_ssh_key_is_refused_by_name(desk: Remote, keys: Keys) -> None:
    sha = signed(desk, keys.make("lost"))
    revoked = keys.folder / "lost.pub"

    found = TrustedSigners(allowed_signers=keys.allowed, revoked_signers=revoked).verify_commit(
        desk.clone, sha
    )

    assert found.verdict == "revoked"
    assert found.reason.startswith("is signed by lost@example.com with a revoked key (SHA256:")


def test_a_missing_list_of_revoked_keys_lets_nobody_in(desk: Remote, keys: Keys) -> None:
    sha = signed(desk, keys.make("ada"))

    found = TrustedSigners(
        allowed_signers=keys.allowed, revoked_signers=keys.folder / "none"
    ).verify_commit(desk.clone, sha)

    assert not found.is_good
    assert "does not exist" in found.reason


def test_a_signature_of_other_contents_is_bad(desk: Remote, keys: Keys) -> None:
    sha = forged(desk, signed(desk, keys.make("ada")))

    assert (
        TrustedSigners(allowed_signers=keys.allowed).verify_commit(desk.clone, sha).verdict == "bad"
    )


def test_a_users_own_signers_do_not_count(
    desk: Remote, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = signed(desk, keys.make("ada"))
    config = tmp_path / "config"
    config.write_text(f'[gpg "ssh"]\n\tallowedSignersFile = {keys.allowed}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))

    found = TrustedSigners().verify_commit(desk.clone, sha)

    assert found.verdict == "unknown"
    assert "set TIDEMILL_ALLOWED_SIGNERS" in found.reason


@pytest.fixture
def ring() -> Iterator[Path]:
    """A keyring in a short path: the agent's socket has to fit its name."""
    with tempfile.TemporaryDirectory(prefix="gpg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o700)
        yield Path(folder)
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False)


def openpgp(ring: Path, name: str) -> str:
    """A new key; gives its fingerprint."""
    quick = ("--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.com>")
    gpg(ring, *quick, "ed25519", "sign", "never")
    listed = gpg(ring, "--list-keys", "--with-colons", name)
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))


def gpg(ring: Path, *arguments: str) -> str:
    return run("gpg", "--batch", "--quiet", *arguments, GNUPGHOME=str(ring))


def by(fingerprint: str) -> tuple[str, ...]:
    return ("-c", "gpg.format=openpgp", "-c", f"user.signingkey={fingerprint}")


def test_an_openpgp_key_of_the_keyring_is_good_until_it_expires_or_is_revoked(
    desk: Remote, ring: Path
) -> None:
    key = openpgp(ring, "bob")
    sha = signed(desk, by(key), GNUPGHOME=str(ring))
    signers = TrustedSigners(gpg_home=ring)

    good = signers.verify_commit(desk.clone, sha)
    other = signers.verify_commit(desk.clone, forged(desk, sha))
    gpg(ring, "--quick-set-expire", key, "seconds=1")
    expired, until = signers.verify_commit(desk.clone, sha), time.monotonic() + 20
    while expired.verdict == "good" and time.monotonic() < until:  # its second has to pass
        time.sleep(0.2)
        expired = signers.verify_commit(desk.clone, sha)
    certificate = ring / "openpgp-revocs.d" / f"{key}.rev"
    certificate.write_text(certificate.read_text().replace("\n:-----", "\n-----"))
    gpg(ring, "--import", str(certificate))
    revoked = signers.verify_commit(desk.clone, sha)

    assert (good.verdict, good.signer, good.key) == ("good", "bob <bob@example.com>", key)
    assert other.verdict == "bad"
    assert expired.verdict == "expired"
    assert revoked.verdict == "revoked"
    assert "revoked key (bob <bob@example.com>)" in revoked.reason


def test_an_openpgp_key_outside_the_keyring_is_unknown(desk: Remote, ring: Path) -> None:
    sha = signed(desk, by(openpgp(ring, "eve")), GNUPGHOME=str(ring))
    with tempfile.TemporaryDirectory(prefix="gpg-") as empty:
        found = TrustedSigners(gpg_home=Path(empty)).verify_commit(desk.clone, sha)

    assert found.verdict == "unknown"
    assert "not in the keyring" in found.reason


def test_openpgp_without_a_keyring_says_which_setting_is_missing(desk: Remote, ring: Path) -> None:
    sha = signed(desk, by(openpgp(ring, "bob")), GNUPGHOME=str(ring))

    assert "set TIDEMILL_GPG_HOME" in TrustedSigners().verify_commit(desk.clone, sha).reason
