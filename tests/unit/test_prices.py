"""What a project pays, by the dated tables; the figures are the page's, 2026-08-21."""

from datetime import date
from importlib import resources

import pytest
import yaml

from pouta import prices
from pouta.errors import ConfigurationError

CPOUTA = "https://pouta.csc.fi:5001/v3"
EPOUTA = "https://epouta.csc.fi:5001/v3"
TODAY = date(2026, 8, 21)
OWN = """\
source: https://example.org/prices
read: 2027-01-02
clouds:
  mine: [cloud.example.org]
  other: [other.example.org]
periods:
  - valid_from: 2027-01-01
    floating_ip: {mine: 1}
    volumes: {fast: 10.24}
    flavors:
      small: 2
      large: {other: 5}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    def write(text):
        file = tmp_path / "prices.yaml"
        file.write_text(text)
        monkeypatch.setenv("POUTA_PRICES", str(file))

    return write


@pytest.fixture(autouse=True)
def no_prices_of_the_developer(monkeypatch):
    monkeypatch.delenv("POUTA_PRICES", raising=False)


def test_what_a_first_server_with_a_volume_costs_on_cpouta():
    known = prices.for_cloud(CPOUTA, TODAY)
    assert known.cloud == "cpouta"
    assert known.flavor("standard.small") == 0.52
    assert round(known.volume(100, "standard"), 4) == 0.3516
    assert known.volume(1024, "capacity") == 1.8
    assert known.floating_ip == 0.2
    assert known.router == 0.2
    assert known.valid_from == date(2026, 1, 1)
    assert known.source == "https://docs.csc.fi/cloud/pouta/vm-flavors-and-billing/"
    assert known.read == date(2026, 8, 21)
    assert not known.note


def test_the_two_clouds_have_prices_of_their_own():
    cpouta, epouta = prices.for_cloud(CPOUTA, TODAY), prices.for_cloud(EPOUTA, TODAY)
    assert (cpouta.flavor("hpc.6.14core"), epouta.flavor("hpc.6.14core")) == (23, 25)
    assert (cpouta.flavor("io.70GB"), epouta.flavor("io.70GB")) == (3.15, None)
    assert (cpouta.flavor("gpu.3.1gpu"), epouta.flavor("gpu.3.1gpu")) == (None, 150)
    assert cpouta.flavor("hpc.3.28core") == epouta.flavor("hpc.3.28core") == 48


def test_each_cloud_has_the_pages_31_flavors():
    deprecated = 35  # of 36; tb.4.735RAM has no clear price
    assert len(prices.for_cloud(CPOUTA, TODAY).flavors) == 31 + deprecated
    assert len(prices.for_cloud(EPOUTA, TODAY).flavors) == 31 + deprecated


def test_what_the_page_does_not_say_has_no_price():
    known = prices.for_cloud(CPOUTA, TODAY)
    assert known.flavor("tb.4.735RAM") is None
    assert known.flavor("standard.smal") is None
    assert known.volume(10, "standard.multiattach") is None
    assert known.volume(10, None) is None


def test_the_practice_cloud_shows_cpoutas_prices():
    for here in ("127.0.0.1:5000", "localhost", "[::1]:5000"):
        for path in ("/practice", "/practice/", "/practice/v3"):
            known = prices.for_cloud(f"http://{here}{path}", TODAY)
            assert known == prices.for_cloud(CPOUTA, TODAY)


def test_a_cloud_at_the_end_of_a_tunnel_has_no_prices_of_the_practice_cloud():
    for address in ("http://localhost:5000/v3", "http://localhost/identity", "http://localhost"):
        assert prices.for_cloud(address, TODAY).flavor("standard.tiny") is None
    assert not prices.for_cloud("https://cloud.example/practice/v3", TODAY).cloud


def test_last_years_prices_are_still_known():
    known = prices.for_cloud(CPOUTA, date(2025, 12, 31))
    assert known.valid_from == date(2025, 10, 2)
    assert known.flavor("standard.small") == 0.5
    assert known.flavor("hpc.6.14core") == 23
    assert known.volume(1024, "standard") == 3.5
    assert known.volume(1024, "capacity") is None
    assert prices.for_cloud(EPOUTA, date(2025, 12, 31)).flavor("io.2.550GB") == 24


def test_today_is_the_day_when_none_is_given():
    assert prices.for_cloud(CPOUTA) == prices.for_cloud(CPOUTA, date.today())


@pytest.mark.parametrize(
    "address, day, note",
    [
        ("https://cloud.example.org:5000/v3", TODAY, "the cloud at 'cloud.example.org'"),
        ("https://pouta.csc.fi.example.org/v3", TODAY, "at 'pouta.csc.fi.example.org'"),
        ("nonsense", TODAY, "at 'nonsense'"),
        (CPOUTA, date(2025, 10, 1), "of cpouta are known for 2025-10-01"),
    ],
)
def test_another_cloud_or_another_time_has_no_prices_and_says_so(address, day, note):
    known = prices.for_cloud(address, day)
    assert note in known.note
    assert known.valid_from is known.flavor("standard.small") is known.floating_ip is None
    assert known.volume(100, "standard") is known.router is None


def test_a_connection_knows_its_cloud():
    class Plugin:
        auth_url = EPOUTA

    class Connection:
        class session:
            auth = Plugin()

    assert prices.of(Connection()).cloud == "epouta"


def test_a_file_of_ones_own_replaces_the_tables(own):
    own(OWN)
    known = prices.for_cloud("https://cloud.example.org", date(2027, 6, 1))
    assert known.flavor("small") == 2
    assert known.flavor("large") is None
    assert known.volume(100, "fast") == 1
    assert (known.floating_ip, known.router) == (1, None)
    assert prices.for_cloud(CPOUTA, TODAY).note


def test_the_order_of_the_periods_does_not_matter(own):
    own(OWN + "  - {valid_from: 2028-01-01, volumes: {fast: 1}, flavors: {small: 3}}\n")
    assert prices.for_cloud("https://cloud.example.org", date(2027, 1, 1)).flavor("small") == 2
    assert prices.for_cloud("https://cloud.example.org", date(2028, 1, 1)).flavor("small") == 3


@pytest.mark.parametrize(
    "there, instead, said",
    [
        ("source: https://example.org/prices\n", "", "source should be the address"),
        ("read: 2027-01-02", "read: soon", "read should be a date such as"),
        ("[cloud.example.org]", "cloud.example.org", "clouds: mine should be a list"),
        ("2027-01-01", "'2027-01-01'", "periods, number 1: valid_from should be a date"),
        ("small: 2", "small: two", "number 1: flavors: small should be a number of BU/h"),
        ("small: 2", "small: true", "number 1: flavors: small should be a number"),
        ("small: 2", "small: -2", "number 1: flavors: small should be a number"),
        ("small: 2", "small: .nan", "number 1: flavors: small should be a number"),
        ("{other: 5}", "{othr: 5}", "number 1: flavors: large should be a number"),
        ("{fast: 10.24}", "10.24", "number 1: volumes should be a table"),
        ("{mine: 1}", "[1]", "number 1: floating_ip should be a number"),
        ("floating_ip", "floating_ips", "number 1: floating_ips should be one of floating_ip"),
        (OWN, "- 1", "the file should be a table"),
        (OWN, "", "the file should be a table"),
        (OWN, "a: [", "cannot be read"),
        ("2027-01-02", "2027-13-02", "a date or a number"),
        (OWN, "a: !!python/object:os.system x", "cannot be read"),
    ],
)
def test_a_mistake_in_it_is_named(own, there, instead, said):
    own(OWN.replace(there, instead))
    with pytest.raises(ConfigurationError) as error:
        prices.for_cloud(CPOUTA, TODAY)
    assert said in error.value.message
    assert "prices.yaml" in error.value.message
    assert error.value.hint


def test_a_file_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("POUTA_PRICES", str(tmp_path / "missing.yaml"))
    with pytest.raises(ConfigurationError, match=r"missing\.yaml cannot be read"):
        prices.load()


def test_login_users_by_image_name_and_by_distro():
    text = resources.files("pouta").joinpath("data/images.yaml").read_text(encoding="utf-8")
    users = yaml.safe_load(text)
    expected = {
        "Ubuntu-24.04": "ubuntu",
        "AlmaLinux-9": "almalinux",
        "CentOS-10-Stream": "cloud-user",
        "CentOS-8-Stream": "centos",
        "cirros": "cirros",
    }
    for image, user in expected.items():
        found = next(who for start, who in users["names"].items() if image.startswith(start))
        assert found == user
    assert users["distros"]["centos"] == "cloud-user"
    assert isinstance(users["read"], date)
    assert users["source"].startswith("https://docs.csc.fi/")
