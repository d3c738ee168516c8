from . import genes as genes
from .align import Gate as Gate
from .align import SignatureIndex as SignatureIndex
from .align import align as align
from .align import combine as combine
from .genes import ORGANISMS as ORGANISMS
from .genes import canonicalise as canonicalise
from .genes import detect_organism as detect_organism
from .genes import orthologs as orthologs
from .genes import renamed as renamed
from .genes import symbols as symbols
from .library import list_signatures as list_signatures
from .library import signatures as signatures
from .signature import Signature as Signature
from .signature import SignatureSet as SignatureSet

__all__ = [
    "ORGANISMS",
    "Gate",
    "Signature",
    "SignatureIndex",
    "SignatureSet",
    "align",
    "canonicalise",
    "combine",
    "detect_organism",
    "genes",
    "list_signatures",
    "orthologs",
    "renamed",
    "signatures",
    "symbols",
]
