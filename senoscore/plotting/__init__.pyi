from . import theme as theme
from . import tidy as tidy
from .answers import *
from .arms import Arm as Arm
from .arms import arms as arms
from .arms import main_arm as main_arm
from .crosstalk import *
from .dose import *
from .embedding import *
from .evidence import *
from .forest import forest as forest
from .forest import forest_table as forest_table
from .heat import *
from .measured import *
from .overview import *
from .plasma import *
from .save import *
from .states import *
from .theme import COMPARTMENT_COLOURS as COMPARTMENT_COLOURS
from .theme import STATE_COLOURS as STATE_COLOURS
from .theme import Layout as Layout
from .timecourse import timecourse as timecourse
from .timecourse import timecourse_table as timecourse_table
from .window import *
