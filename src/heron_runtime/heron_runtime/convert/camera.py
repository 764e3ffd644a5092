"""Camera frames, calibration, static transforms and frame sets ↔ ROS messages."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
from foxglove_msgs.msg import CompressedVideo
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from heron_msgs.msg import FrameSet as RosFrameSet
from heron_msgs.msg import ImageGroup
from sensor_msgs.msg import CameraInfo as RosCameraInfo
from sensor_msgs.msg import CompressedImage, Image
from tf2_msgs.msg import TFMessage

from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.frames import CameraFrame, FrameSet
from heron_core.rig import CameraInfo, StaticTransform, StaticTransforms, default_frame_id
from heron_core.se3 import SE3
from heron_runtime.convert.stamps import from_bytes, from_stage_times, header, to_bytes, to_ns, to_stage_times, to_time

# sensor_msgs/Image encoding → ours, and the bytes of a row per pixel of width
_RAW_ENCODINGS = {"rgb8": "rgb8", "bgr8": "bgr8", "mono8": "mono8", "nv12": "nv12", "yuv422_yuy2": "yuyv", "yuyv": "yuyv"}
_ROW_BYTES = {"rgb8": 3, "bgr8": 3, "mono8": 1, "nv12": 1, "yuyv": 2}
_THROUGH_CV_BRIDGE = ("rgba8", "bgra8", "bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8")
_ROS_ENCODINGS = {"yuyv": "yuv422_yuy2"}


def camera_of_topic(topic: str) -> str:
    """/camera/front_left/image/compressed → CAM_FRONT_LEFT."""
    return f"CAM_{topic.split('/')[2].upper()}"


def compressed_image_to_ros(frame: CameraFrame) -> CompressedImage:
    """JPEG frame → sensor_msgs/CompressedImage."""
    if frame.encoding != "jpeg":
        raise ValueError(f"{frame.camera} delivers {frame.encoding}; only jpeg goes to image/compressed")
    message = CompressedImage(header=header(frame.stamp_ns, default_frame_id(frame.camera)), format="jpeg")
    message.data = to_bytes(frame.data)
    return message


def compressed_image_from_ros(message: CompressedImage, topic: str, received_ns: int) -> CameraFrame:
    """sensor_msgs/CompressedImage → JPEG frame."""
    if "jpeg" not in message.format and "jpg" not in message.format:
        raise ValueError(f"compressed image of format {message.format!r}; only jpeg is read")
    return CameraFrame(camera_of_topic(topic), to_ns(message.header.stamp), received_ns, "jpeg", from_bytes(message.data))


def compressed_video_to_ros(frame: CameraFrame) -> CompressedVideo:
    """H.264 access unit → foxglove_msgs/CompressedVideo."""
    message = CompressedVideo(timestamp=to_time(frame.stamp_ns), frame_id=default_frame_id(frame.camera), format="h264")
    message.data = to_bytes(frame.data)
    return message


def compressed_video_from_ros(message: CompressedVideo, topic: str, received_ns: int) -> CameraFrame:
    """foxglove_msgs/CompressedVideo → H.264 access unit."""
    if message.format != "h264":
        raise ValueError(f"video of format {message.format!r}; only h264 is read")
    return CameraFrame(camera_of_topic(topic), to_ns(message.timestamp), received_ns, "h264", from_bytes(message.data))


def image_to_ros(frame: CameraFrame) -> Image:
    """Uncompressed frame → sensor_msgs/Image."""
    height = frame.data.shape[0] * 2 // 3 if frame.encoding == "nv12" else frame.data.shape[0]
    message = Image(
        header=header(frame.stamp_ns, default_frame_id(frame.camera)),
        encoding=_ROS_ENCODINGS.get(frame.encoding, frame.encoding),
        height=height,
        width=frame.data.shape[1],
        step=frame.data.shape[1] * _ROW_BYTES[frame.encoding],
    )
    message.data = to_bytes(frame.data)
    return message


def image_from_ros(message: Image, topic: str, received_ns: int) -> CameraFrame:
    """sensor_msgs/Image → uncompressed frame on the same memory (padding at row ends is cut off by a view).

    Colour filter arrays and images with alpha go through cv_bridge, which copies them.
    """
    if message.encoding in _THROUGH_CV_BRIDGE:
        converted = read_only(_bridge().imgmsg_to_cv2(message, "bgr8"))
        return CameraFrame(camera_of_topic(topic), to_ns(message.header.stamp), received_ns, "bgr8", converted)
    encoding = _RAW_ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ValueError(f"image encoding {message.encoding!r}; read are {', '.join((*_RAW_ENCODINGS, *_THROUGH_CV_BRIDGE))}")
    rows = message.height * 3 // 2 if encoding == "nv12" else message.height
    row_bytes = message.width * _ROW_BYTES[encoding]
    data = from_bytes(message.data)
    if message.step < row_bytes or len(data) < rows * message.step:
        raise ValueError(f"image of {message.width}x{message.height} {encoding}, step {message.step}, holds only {len(data)} bytes")
    lines = data[: rows * message.step].reshape(rows, message.step)[:, :row_bytes]
    channels = _ROW_BYTES[encoding]
    pixels = lines if channels == 1 else lines.reshape(rows, message.width, channels)
    pixels.flags.writeable = False
    return CameraFrame(camera_of_topic(topic), to_ns(message.header.stamp), received_ns, encoding, pixels)


@cache
def _bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()


def camera_info_to_ros(info: CameraInfo) -> RosCameraInfo:
    """Calibration → sensor_msgs/CameraInfo (R identity, P = K: the image is as the lens made it)."""
    lens = info.lens
    projection = np.zeros((3, 4))
    projection[:, :3] = lens.k
    return RosCameraInfo(
        header=header(info.stamp_ns, info.frame_id),
        width=lens.width,
        height=lens.height,
        distortion_model=lens.model.value,
        d=list(lens.distortion),
        k=lens.k.ravel(),
        r=np.eye(3).ravel(),
        p=projection.ravel(),
    )


def camera_info_from_ros(message: RosCameraInfo, topic: str, received_ns: int) -> CameraInfo:
    """sensor_msgs/CameraInfo → calibration."""
    k = message.k
    model = LensModel(message.distortion_model or "plumb_bob")
    lens = Lens(model, message.width, message.height, k[0], k[4], k[2], k[5], tuple(float(value) for value in message.d))
    return CameraInfo(camera_of_topic(topic), message.header.frame_id, lens, to_ns(message.header.stamp))


def static_transforms_to_ros(transforms: StaticTransforms) -> TFMessage:
    """Transforms → tf2_msgs/TFMessage."""
    return TFMessage(transforms=[_transform_to_ros(item, transforms.stamp_ns) for item in transforms.transforms])


def static_transforms_from_ros(message: TFMessage, topic: str, received_ns: int) -> StaticTransforms:
    """tf2_msgs/TFMessage → transforms."""
    items = []
    for stamped in message.transforms:
        q, t = stamped.transform.rotation, stamped.transform.translation
        items.append(
            StaticTransform(stamped.header.frame_id, stamped.child_frame_id, SE3.from_quaternion_wxyz((q.w, q.x, q.y, q.z), (t.x, t.y, t.z)))
        )
    stamp_ns = to_ns(message.transforms[0].header.stamp) if message.transforms else received_ns
    return StaticTransforms(tuple(items), stamp_ns)


def _transform_to_ros(item: StaticTransform, stamp_ns: int) -> TransformStamped:
    message = TransformStamped(header=header(stamp_ns, item.parent), child_frame_id=item.child)
    w, x, y, z = (float(value) for value in item.pose.to_quaternion_wxyz())
    message.transform.rotation = Quaternion(w=w, x=x, y=y, z=z)
    tx, ty, tz = (float(value) for value in item.pose.translation)
    message.transform.translation = Vector3(x=tx, y=ty, z=tz)
    return message


def frame_set_to_ros(frames: FrameSet) -> RosFrameSet:
    """Frame set → heron_msgs/FrameSet."""
    message = RosFrameSet(
        header=header(frames.stamp_ns, "base_link"),
        digest=frames.digest,
        cameras=list(frames.cameras),
        exposure_ns=list(frames.exposure_ns),
        valid=list(frames.valid),
        stages=to_stage_times(frames.stages),
    )
    for name, images in frames.images.items():
        group = ImageGroup(name=name, shape=np.asarray(images.shape, dtype=np.uint32))
        group.data = to_bytes(images)
        message.images.append(group)
    return message


def frame_set_from_ros(message: RosFrameSet, topic: str, received_ns: int) -> FrameSet:
    """heron_msgs/FrameSet → frame set on the message's memory."""
    images = {group.name: from_bytes(group.data).reshape(tuple(int(n) for n in group.shape)) for group in message.images}
    for group in images.values():
        group.flags.writeable = False
    frames = FrameSet(
        stamp_ns=to_ns(message.header.stamp),
        digest=message.digest,
        cameras=tuple(message.cameras),
        exposure_ns=tuple(int(ns) for ns in message.exposure_ns),
        valid=tuple(bool(flag) for flag in message.valid),
        images=images,
        stages=from_stage_times(message.stages),
    )
    return dataclasses.replace(frames, stages=frames.stages.mark(received_ns=frames.stages.received_ns or received_ns))
