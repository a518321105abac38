"""The playground: a page on which a small network learns, one compiled step after another.

`symfuse play` serves it. A session can be used without the page:

>>> from symfuse.playground import Session, Settings
>>> session = Session(Settings(data="gauss", layers=(3,), learning_rate=0.05))
>>> session.advance(20 * session.epoch_steps)
>>> session.frame().test_accuracy > 0.95
True
"""

from .recording import PRESETS, Preset, export
from .server import Server
from .session import Session
from .settings import Settings, SettingsError

__all__ = ["PRESETS", "Preset", "Server", "Session", "Settings", "SettingsError", "export"]
