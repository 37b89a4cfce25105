"""The address of a broker: everything that may stand in it, and what is refused."""

import pytest

from jobs.address import redis_settings, socket_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", {"host": "h", "port": 6379, "database": 0, "ssl": False}),
        ("redis://h:7000/3", {"host": "h", "port": 7000, "database": 3}),
        ("redis://h?db=4", {"host": "h", "database": 4}),
        ("redis://[::1]:7000", {"host": "::1", "port": 7000}),
        ("redis://:s%40%2Fe%3A%25t@h", {"username": None, "password": "s@/e:%t"}),
        ("redis://hub:secret@h/0", {"username": "hub", "password": "secret"}),
        ("rediss://h", {"ssl": True, "ssl_check_hostname": True, "ssl_cert_reqs": "required"}),
        (
            "rediss://h?ssl_ca_certs=/etc/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem&db=1",
            {
                "ssl_ca_certs": "/etc/ca.pem", "ssl_certfile": "/c.pem", "ssl_keyfile": "/k.pem",
                "database": 1,
            },
        ),
        ("unix:///run/r.sock", {"unix_socket_path": "/run/r.sock", "database": 0}),
        ("unix:///run/r.sock?db=2", {"unix_socket_path": "/run/r.sock", "database": 2}),
        ("unix://u:p@/run/r.sock", {"unix_socket_path": "/run/r.sock", "password": "p"}),
    ],
)  # fmt: skip
def test_what_is_read(url: str, expected: dict[str, object]) -> None:
    found = redis_settings(url)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:6379", "must begin with redis://"),
        ("redis:127.0.0.1", "must begin with redis://"),
        ("https://h", "must begin with redis://"),
        ("redis://", "names no host"),
        ("redis:///1", "names no host"),
        ("redis://h:port", "port must be a number"),
        ("redis://h:70000", "port must be a number"),
        ("redis://[::1", "in brackets"),
        ("redis://h/one", "'one' is not the number"),
        ("redis://h?db=-1", "'-1' is not the number"),
        ("redis://h/1?db=2", "twice"),
        ("redis://h?password=secret", "'password' is not known"),
        ("redis://h?ssl_ca_certs=/ca", "rediss:// alone"),
        ("rediss://h?ssl_ca_certs=", "must have one value"),
        ("redis://h?db=1&db=1", "must have one value"),
        ("redis://:se#cret@h", "# is %23"),
        ("redis://h:1#x", "write it as %23"),
        ("unix://", "its whole path"),
        ("unix:///", "its whole path"),
        ("unix://run/r.sock", "its whole path"),
    ],
)
def test_what_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=" ") as refusal:
        redis_settings(url)
    assert said in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["redis://u:70secret@h:x", "redis://u:secret@[h", "redis://:secret/x@h"]
)
def test_a_refusal_does_not_repeat_a_password(url: str) -> None:
    with pytest.raises(ValueError, match=" ") as refusal:
        redis_settings(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("path", ["/data/b.sock", "/my data/100%/a?b#c/ü.sock"])
def test_any_path_of_a_socket(path: str) -> None:
    assert redis_settings(socket_url(path)).unix_socket_path == path
