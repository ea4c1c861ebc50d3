"""Options of the Hub's tests: where pictures go, how many students the load test has."""

import tempfile


def pytest_addoption(parser):
    parser.addoption("--shots", default=tempfile.mkdtemp(prefix="hub-test-"), help="folder for pictures of the pages")
    parser.addoption("--load", type=int, default=0, metavar="N",
                     help="also let N students run unit 03's checks at the same time (at most 40)")
