"""The only file of countermeasures that imports OpenCV, which is optional for `mem_core` alone."""

from types import ModuleType

from mem_core.common.errors import ConfigError


def opencv(wanted_by: str) -> ModuleType:
    """The module. Raises `ConfigError` where it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            f"the countermeasure {wanted_by} needs OpenCV: install opencv-python-headless, or leave it out"
        ) from error
    return cv2
