from .files import write_study as write_study
from .tissue import design as design
from .tissue import design_of_drugs as design_of_drugs
from .tissue import simulate as simulate

__all__ = ["design", "design_of_drugs", "simulate", "write_study"]
