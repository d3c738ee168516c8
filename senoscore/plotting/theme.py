"""Colours, order and chart configuration shared by all figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from senoscore.cells import COMPARTMENTS
from senoscore.names import STATE_COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = [
    "COMPARTMENT_COLOURS",
    "PHASE_CUTS",
    "STATE_COLOURS",
    "Layout",
    "compartment_colour",
    "config",
    "contrast",
    "dashes",
    "heading",
    "known_first",
    "pretty",
    "readable",
    "shapes",
    "state_colour",
    "title_colour",
]

Layout: TypeAlias = Literal["wide", "narrow"]
"""``wide``: three panels a row, for a desktop page; ``narrow``: one panel a row, for a phone."""

PHASE_CUTS: Final = (3.0, 28.0)
"""Days: acute | early | chronic. Our own default bounds; sources disagree."""

# Every colour keeps a contrast of 3:1 against white and against the dark page (tested), so
# that one fixed colour per compartment serves both. The first four are the ones compared
# most and are told apart under the three common forms of colour blindness.
COMPARTMENT_COLOURS: Final[dict[str, str]] = {
    name: known.colour for name, known in COMPARTMENTS.items()
}
INK: Final = "#1f2933"
INK_SOFT: Final = "#52606d"
LINE: Final = "#d3d9e0"
BAND: Final = "#f1f4f7"
CONTROL_BAND: Final = "#c3ccd6"
CONTROL_INK: Final = "#65717e"
PAPER: Final = "#ffffff"
GOOD: Final = "#2f8f6b"
BAD: Final = "#c2410c"
# Ink and white on a coloured field, which stays light where the page turns dark.
FIELD_INK: Final = "#1f2932"
FIELD_PAPER: Final = "#fffffe"
DIVERGING: Final = ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b")
FONT: Final = "Arial, Helvetica, Liberation Sans, Arimo, sans-serif"

# Triangles up and down are left to the marks of contrasts that hold.
_SHAPES = ["circle", "diamond", "square", "cross", "triangle-right", "triangle-left"]
_DASHES = [[1, 0], [5, 3], [2, 2], [8, 3, 2, 3], [1, 3], [10, 4]]
_FALLBACK = "#5a6fb0"
# Where the words of a key, one by one, are not what people write.
_PRETTY = {
    "bulk": "Whole tissue",
    "t_cell": "T cell",
    "nk_cell": "NK cell",
    "b_cell": "B cell",
    "sasp": "SASP",
    "ddr": "DNA damage response",
    "scap": "Anti-apoptotic (SCAP)",
    "antiapoptotic": "Anti-apoptotic (SCAP)",
    "arrest_p53": "p53 targets (arrest)",
    "arrest_p21": "p21 (CDKN1A)",
    "arrest_p16": "p16 and p15",
    "p16_p15": "p16 and p15",
    "nuclear_loss": "Loss of lamin B1",
    "chromatin_nuclear": "Loss of lamin B1",
    "rb_e2f": "E2F targets (Rb)",
    "ros": "Oxidative stress",
    "telomere": "Telomere maintenance",
    "sahf": "SAHF genes",
    "scap_bcl2": "SCAP: BCL2 family",
    "scap_pi3k": "SCAP: PI3K/AKT/mTOR",
    "scap_hif": "SCAP: HIF",
    "scap_tyrosine_kinase": "SCAP: tyrosine kinases",
    "scap_hsp90": "SCAP: HSP90",
    "scap_na_k_atpase": "SCAP: Na⁺/K⁺-ATPase",
    "scap_ciap": "SCAP: cIAP and XIAP",
    "na_k_atpase": "Na⁺/K⁺-ATPase",
    "pi3k_akt_mtor": "PI3K/AKT/mTOR",
    "sasp_igfbp": "SASP IGF-binding proteins",
    "sasp_interleukin": "SASP interleukins",
    "sasp_chemokine": "SASP chemokines",
    "sasp_growth_factor": "SASP growth factors",
    "sasp_protease": "SASP proteases",
    "sasp_protease_inhibitor": "SASP protease inhibitors",
    "sasp_soluble_receptor": "SASP soluble receptors",
    "sasp_angiogenic": "SASP angiogenic factors",
    "escape_stemness": "Escape and stemness",
    "jak_stat": "JAK-STAT",
    "m1_like": "M1-like",
    "m2_like": "M2-like",
    "caf_like": "CAF-like",
    "mdsc_like": "MDSC-like",
    "nk_t_cytotoxic": "NK and T cytotoxicity",
    "index_mean": "Senescence index",
    "fraction_senescent": "Senescent cells",
    "fraction_arrested": "Cells beyond most controls in arrest",
    "trend_log1p_days": "Trend over log(1 + days)",
    "senmayo": "SenMayo",
    "cellage": "CellAge",
    "corescence": "CoreScence",
    "hernandez_segura_core": "Hernandez-Segura core",
    "sennet_recommended": "SenNet recommended",
    "igfbps": "IGFBPs",
}
_WORDS = {
    "sasp": "SASP",
    "igfbp": "IGFBP",
    "igfbps": "IGFBPs",
    "nfkb": "NF-κB",
    "tgfb": "TGF-β",
    "p53": "p53",
    "p21": "p21",
    "p16": "p16",
    "rb": "Rb",
    "cgas": "cGAS",
    "sting": "STING",
    "jak": "JAK",
    "stat": "STAT",
    "dna": "DNA",
    "ddr": "DDR",
    "ros": "ROS",
    "ifn": "IFN",
    "emt": "EMT",
    "nk": "NK",
    "t": "T",
    "scap": "SCAP",
    "sahf": "SAHF",
    "bcl2": "BCL2",
    "hsp90": "HSP90",
    "hif": "HIF",
    "pi3k": "PI3K",
    "akt": "AKT",
    "mtor": "mTOR",
    "atpase": "ATPase",
    "ciap": "cIAP",
    "e2f": "E2F",
    "dream": "DREAM",
    "esasp": "eSASP",
    "cdki": "CDK inhibitors",
    "vegf": "VEGF",
    "tp53": "TP53",
    "ir": "IR",
    "5gy": "5 Gy",
    "6h": "6 h",
    "rb1": "RB1",
    "g1s": "G1/S",
    "g2m": "G2/M",
    "treg": "Treg",
    "nkg2d": "NKG2D",
    "nrf2": "NRF2",
    "wp": "WikiPathways",
    "xist": "XIST",
    "caf": "CAF",
    "mdsc": "MDSC",
}


def compartment_colour(name: str) -> str:
    """Return the fixed colour of a compartment; slate blue for one we do not know."""
    return COMPARTMENT_COLOURS.get(name, _FALLBACK)


READABLE: Final = 4.5
"""Contrast of text with what it stands on, WCAG 2.2, 1.4.3."""
DARK_PAPER: Final = "#171b21"
"""What figures stand on where the page is dark."""


def title_colour(name: str, paper: str = PAPER) -> str:
    """Return the colour of a compartment, as far darker or lighter as text on `paper` needs."""
    return readable(compartment_colour(name), paper)


def readable(colour: str, paper: str, ratio: float = READABLE) -> str:
    """Return the colour nearest to `colour` on the way to black or white that can be read.

    Parameters
    ----------
    colour, paper
        As ``#rrggbb``.
    ratio
        Contrast that is wanted.

    Examples
    --------
    >>> readable("#0072b2", "#ffffff"), contrast(readable("#a87a00", "#ffffff"), "#ffffff") >= 4.5
    ('#0072b2', True)
    """
    end = 0 if contrast("#000000", paper) > contrast("#ffffff", paper) else 255
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    for step in range(101):
        mixed = (round(part + (end - part) * step / 100) for part in parts)
        found = "#" + "".join(f"{part:02x}" for part in mixed)
        if contrast(found, paper) >= ratio:
            break
    return found


def contrast(one: str, other: str) -> float:
    """Contrast of two colours ``#rrggbb``, 1 to 21 (WCAG 2.2, relative luminance of sRGB)."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def state_colour(name: str) -> str:
    """Return the fixed colour of a state; slate blue for one we do not know."""
    return STATE_COLOURS.get(name, _FALLBACK)


def shapes(n: int) -> list[str]:
    """List the shapes of the dots of n doses or times; they begin again after six."""
    return [_SHAPES[i % len(_SHAPES)] for i in range(n)]


def dashes(n: int) -> list[list[int]]:
    """List the dashes of the lines of n doses or times, as :func:`shapes` does the dots."""
    return [_DASHES[i % len(_DASHES)] for i in range(n)]


def known_first(values: Iterable[object], known: Iterable[str]) -> list[str]:
    """List the unique ``values``: those in ``known`` in its order, then the others, sorted."""
    present = {str(v) for v in values}
    head = [name for name in known if name in present]
    return head + sorted(present.difference(head))


def pretty(name: str) -> str:
    """Turn a key such as ``acute_damage_response`` into words for a label."""
    if name in _PRETTY:
        return _PRETTY[name]
    words = [_WORDS.get(word, word) for word in name.replace("-", "_").split("_") if word]
    if not words:
        return name
    first = words[0]
    words[0] = first if not first.islower() or first in _WORDS.values() else first.capitalize()
    return " ".join(words)


def heading(name: str, limit: int = 32) -> str:
    """Words for the title of a panel, cut where they would run into the next panel."""
    words = pretty(name)
    return words if len(words) <= limit else words[: limit - 1] + "…"


def config() -> dict[str, Any]:
    """Vega-Lite configuration of every figure (a fresh dictionary)."""
    return {
        "background": PAPER,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "domainColor": LINE,
            "gridColor": LINE,
            "gridOpacity": 0.6,
            "labelColor": INK_SOFT,
            "labelFontSize": 11,
            "labelLimit": 240,
            "tickColor": LINE,
            "tickSize": 4,
            "titleColor": INK_SOFT,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "titlePadding": 8,
        },
        "axisX": {"grid": False},
        "legend": {
            "labelColor": INK_SOFT,
            "labelFontSize": 11,
            "labelLimit": 260,
            "orient": "top",
            "symbolStrokeWidth": 0,
            "titleColor": INK_SOFT,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
        },
        "title": {
            "anchor": "start",
            "color": INK,
            "fontSize": 13,
            "fontWeight": "bold",
            "offset": 8,
            "subtitleColor": INK_SOFT,
            "subtitleFontSize": 11,
            "subtitlePadding": 3,
        },
        "concat": {"spacing": 26},
    }
