"""Installs heron_jadd."""

from setuptools import find_packages, setup

NAME = "heron_jadd"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={NAME: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    maintainer="Heron developers",
    maintainer_email="heron@example.com",
    description="Recordings of Heron become JADD, a nuScenes-compatible dataset.",
    license="Apache-2.0",
)
