"""Which of Stripe's kinds a tenant's tax id is: by its country and how it is written.

Pure. Failure: what is of no kind that we know is `Unclear`, and says what to write.
"""

import hashlib
import re
from dataclasses import dataclass

_EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI"
    " SK".split()
)
# Greece writes another code than its country has.
_PREFIXES = {"GR": "EL"}
# Without the country in front it is none for the trade inside the union.
_NATIONAL = {
    "BG": "bg_uic",
    "DE": "de_stn",
    "ES": "es_cif",
    "HR": "hr_oib",
    "HU": "hu_tin",
    "PL": "pl_nip",
    "RO": "ro_tin",
    "SI": "si_tin",
}
_ONE_KIND = {
    "AE": "ae_trn",
    "AR": "ar_cuit",
    "AU": "au_abn",
    "BH": "bh_vat",
    "CL": "cl_tin",
    "CN": "cn_tin",
    "CO": "co_nit",
    "CR": "cr_tin",
    "EG": "eg_tin",
    "GE": "ge_vat",
    "HK": "hk_br",
    "ID": "id_npwp",
    "IL": "il_vat",
    "IN": "in_gst",
    "IS": "is_vat",
    "KE": "ke_pin",
    "KR": "kr_brn",
    "KZ": "kz_bin",
    "MA": "ma_vat",
    "MX": "mx_rfc",
    "NG": "ng_tin",
    "NO": "no_vat",
    "NZ": "nz_gst",
    "OM": "om_vat",
    "PE": "pe_ruc",
    "PH": "ph_tin",
    "RS": "rs_pib",
    "SA": "sa_vat",
    "TH": "th_vat",
    "TR": "tr_tin",
    "TW": "tw_vat",
    "UA": "ua_vat",
    "US": "us_ein",
    "UY": "uy_ruc",
    "VN": "vn_tin",
    "ZA": "za_vat",
}
# By how it is written, without what is only between its letters and digits.
_WRITTEN = {
    "BR": ((r"\d{11}", "br_cpf"), (r"\d{14}", "br_cnpj")),
    "CA": (
        (r"\d{9}", "ca_bn"),
        (r"\d{9}RT\d{4}", "ca_gst_hst"),
        (r"\d{10}TQ\d{4}", "ca_qst"),
    ),
    "CH": ((r"CHE\d{9}", "ch_uid"), (r"CHE\d{9}(MWST|TVA|IVA)", "ch_vat")),
    "GB": ((r"GB\w+", "gb_vat"), (r"XI\w+", "eu_vat")),
    "JP": ((r"T\d{13}", "jp_trn"), (r"\d{13}", "jp_cn"), (r"\d{5}", "jp_rn")),
    "LI": ((r"CHE\d{9}", "li_uid"), (r"\d{5}", "li_vat")),
    "SG": ((r"M\w+|\d{9}R\w*", "sg_gst"), (r"\d{8,9}[A-Z]", "sg_uen")),
}
_BETWEEN = re.compile(r"[\s./-]")


class Unclear(ValueError):
    """It is of no kind that we know; says what to write."""


@dataclass(frozen=True, slots=True)
class TaxId:
    """A tax id as Stripe takes it."""

    kind: str
    value: str

    @property
    def sha256(self) -> str:
        """Return what it is known by where it must not stand itself."""
        return hashlib.sha256(f"{self.kind}:{self.value}".encode()).hexdigest()


def tax_id_of(country: str, written: str) -> TaxId | None:
    """Return the tax id of somebody in a country; nothing when none is given.

    Raises `Unclear`.
    """
    written = written.strip()
    if not written:
        return None
    if not country:
        raise Unclear("The tax id's country is missing.")
    bare = _BETWEEN.sub("", written).upper()
    if country in _EU:
        return _of_the_union(country, bare, written)
    if country in _ONE_KIND:
        return TaxId(_ONE_KIND[country], written)
    for pattern, kind in _WRITTEN.get(country, ()):
        if re.fullmatch(pattern, bare):
            is_bare = kind in {"gb_vat", "eu_vat"}
            return TaxId(kind, bare if is_bare else written)
    if country in _WRITTEN:
        raise Unclear(f"The tax id is not written as those of {country} are.")
    raise Unclear(f"Stripe is told no tax ids of {country}.")


def _of_the_union(country: str, bare: str, written: str) -> TaxId:
    prefix = _PREFIXES.get(country, country)
    if bare.startswith((prefix, country)):
        return TaxId("eu_vat", prefix + bare[2:])
    if country in _NATIONAL:
        return TaxId(_NATIONAL[country], written)
    raise Unclear(f"Write the tax id with its country, such as {prefix}123456789.")
