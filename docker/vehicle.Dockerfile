# The car: Heron on the official ROS 2 packages. Build at the top level: docker build -f docker/vehicle.Dockerfile -t heron-vehicle .
# Not built by our continuous integration, which has no container service: build and try it before you rely on it.
FROM ros:jazzy-ros-base

RUN apt-get update && apt-get install -y --no-install-recommends python3-pip python3-venv python3-dev build-essential can-utils v4l-utils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/heron
COPY . .

# rosdep installs what each package.xml names and Ubuntu has; the rest (onnxruntime, rosbags, …) comes locked by ./heron setup,
# which finds the sourced ROS 2, builds on it and adds no ROS wheels.
RUN . /opt/ros/jazzy/setup.sh \
    && apt-get update && rosdep update --rosdistro jazzy \
    && rosdep install --from-paths src --ignore-src --rosdistro jazzy -y -r \
    && ./heron setup \
    && rm -rf /var/lib/apt/lists/*

ENV RMW_IMPLEMENTATION=rmw_fastrtps_cpp MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296
ENV PYTHONPATH=/opt/heron/.venv/lib/python3.12/site-packages
# --network host --device for cameras and CAN at `docker run`. SIGINT is what ros2 launch ends on.
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/bash", "-c", ". /opt/ros/jazzy/setup.bash && . /opt/heron/install/setup.bash && exec ros2 launch heron_bringup \"$@\"", "heron"]
# The car and its policy are mounted: -v …/my_car:/car -v …/my_policy:/policy
CMD ["heron.launch.xml", "vehicle:=/car", "policy:=/policy", "record:=true", "record_to:=/recordings/drive"]
