"""Installs heron_bringup with the launch files and configuration of the top level, linked here as launch/ and config/."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "heron_bringup"


def installed(folder: str) -> list[tuple[str, list[str]]]:
    """Every file below `folder`, to lie at the same place below share/heron_bringup."""
    files = sorted(path for path in Path(folder).glob("**/*") if path.is_file())
    return [(f"share/{NAME}/{path.parent}", [str(path)]) for path in files]


setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={NAME: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *installed("launch"),
        *installed("config"),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    entry_points={"console_scripts": ["heron = heron_bringup.cli:start"]},
    zip_safe=True,
    maintainer="Heron developers",
    maintainer_email="heron@example.com",
    description="The heron command; installs Heron's launch files and configuration.",
    license="Apache-2.0",
)
