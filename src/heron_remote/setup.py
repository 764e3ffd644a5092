"""Installs heron_remote."""

from setuptools import find_packages, setup

NAME = "heron_remote"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={NAME: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        ("share/ament_index/resource_index/rclcpp_components", [f"resource/rclcpp_components/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    maintainer="Heron developers",
    maintainer_email="heron@example.com",
    description="A policy of Heron on another computer: sealed messages over DDS, clocks, link, and the components at both ends.",
    license="Apache-2.0",
)
