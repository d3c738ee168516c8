from .files import write_study as write_study
from .tissue import simulate as simulate

__all__ = ["simulate", "write_study"]
