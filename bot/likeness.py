"""Whether two sentences about the same person say the same, more, or the opposite; pure."""

import re
from enum import StrEnum

from bot.plain import plain, words

LONGEST = 1000  # characters
SLOT = 300  # characters, in which a place or a name is looked for


class Likeness(StrEnum):
    """What a new sentence is to one that is known."""

    SAME = "same"  # it says the same, or hardly more
    MORE = "more"  # it says that and something more
    OPPOSED = "opposed"  # both can't hold
    OTHER = "other"


def likeness(known: str, new: str) -> Likeness:
    """What `new` is to `known`; what is longer than any memory is not compared."""
    if max(len(known), len(new)) > LONGEST:
        return Likeness.OTHER
    before, after = _slot(known), _slot(new)
    if before and after and before[0] == after[0]:
        return Likeness.SAME if _same_value(before[1], after[1]) else Likeness.OPPOSED
    said, says = _stems(known), _stems(new)
    guards = _guards(known) == _guards(new)
    if _likes(known) * _likes(new) < 0 and said == says:
        return Likeness.OPPOSED
    if not said or not says or not guards or _numbers(known) != _numbers(new):
        return Likeness.OTHER
    shared = len(said & says)
    if shared / len(said | says) >= _NEARLY_ALL:
        return Likeness.SAME
    more = said < says and len(said) >= 2 and len(said) / len(says) >= _MOST
    return Likeness.MORE if more else Likeness.OTHER


def _likes(text: str) -> int:
    """1 for what is so or liked, -1 for what is not."""
    found = set(words(text))
    against = bool(found & _NOT) + bool(found & _AGAINST)
    return -1 if against % 2 else 1


def _slot(text: str) -> tuple[str, str] | None:
    """Of what there can be one only: where somebody lives, their favourite colour; and its value.

    What they only wish for, or no longer do, fills no slot.
    """
    folded = plain(text[:SLOT])
    if set(words(text)) & (_NOT | _MODAL):
        return None
    for name, pattern in _SLOTS:
        found = pattern.search(folded)
        if found is not None:
            which = found.groupdict().get("which") or ""
            value = found["value"].rstrip(" .!?,;:")
            return f"{name} {_SAME.get(_stem(which), _stem(which))}".strip(), value
    return None


def _same_value(one: str, other: str) -> bool:
    first, second = _stems(one), _stems(other)
    return first == second or bool(first and second and (first < second or second < first))


def _stems(text: str) -> frozenset[str]:
    return frozenset(
        _SAME.get(stem, stem)
        for word in words(text)
        if word.partition("'")[0] not in _EMPTY
        and word not in _EMPTY
        and (stem := _stem(word)) not in _LIKES
    ) | frozenset("like" for word in words(text) if _stem(word) in _LIKES)


def _stem(word: str) -> str:
    """What the forms of a word have in common, or nearly so; the stem of a stem is itself."""
    word, longer = re.sub(r"'\w+$", "", word), ""
    while word != longer:
        longer = word
        fits = (one for one in _ENDINGS if word.endswith(one) and len(word) - len(one) >= 3)
        word = word.removesuffix(next(fits, ""))
    return word


def _numbers(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\d+", text))


def _guards(text: str) -> frozenset[str]:
    """Words that turn a sentence into another however few they are."""
    found = set(words(text))
    return frozenset(found & (_MODAL | _AGAINST)) | ({"not"} if found & _NOT else frozenset())


_NEARLY_ALL = 0.8
_MOST = 0.6
_ENDINGS = ("ing", "ies", "ied", "ed", "es", "en", "st", "s", "e", "y", "t")

_NOT = frozenset(
    """
    not no never don't doesn't didn't isn't aren't wasn't won't can't dont doesnt nicht kein keine
    keinen keiner nie niemals pas jamais ne n'aime plus nunca jamas tampoco longer non niet
    """.split()  # noqa: SIM905
)
_AGAINST = frozenset("hate hates hated dislike dislikes detest detests hasse hasst deteste".split())  # noqa: SIM905
_LIKES = frozenset(
    map(_stem, "like love enjoy prefer hate dislike detest hasse deteste mag liebe".split())  # noqa: SIM905
)
_MODAL = frozenset(
    """
    want wants wanted would might maybe perhaps could used was were had hope hopes plan plans
    wish wishes dream dreams try tries trying will planning thinking considering
    mochte wurde vielleicht konnte fruher war will hoffe plane
    voudrais aimerais peut-etre etais avant quiero quisiera quizas antes era
    """.split()  # noqa: SIM905
)
_EMPTY = (
    frozenset(
        """
        a an the i i'm i've me my mine am is are be been being has have do does did you your yours
        he him his she her hers they them their it its of to in on at for with and that this so as
        by name named called person user user's really very quite also just too now always much
        lot lots much currently still actually truly absolutely especially well any more anymore
        mehr
        ich mein meine meinen bin ist hat habe der die das ein eine einen und zu im in am sehr
        wirklich auch gern gerne heisst person
        je j j'ai mon ma mes suis est le la les un une des du de et tres vraiment aussi
        yo mi mis soy es el los las una unos del en y muy tambien realmente
        """.split()  # noqa: SIM905
    )
    | _NOT
)
_SAME = {
    _stem(word): _stem(other)
    for word, other in (
        ("favorite", "favourite"),
        ("color", "colour"),
        ("wohne", "live"),
        ("lebe", "live"),
        ("reside", "live"),
    )
}

_SELF = (
    r"(?:^|[,;:.!]\s*|\b(?:and|but|und|aber|et|mais|y|pero|that|dass|que)\s+)"
    r"(?:(?:the )?(?:person|user)|i|we|you|he|she|they|ich|wir|sie|er|je|yo)?['\s]*"
    r"(?:(?:now|currently|actually|recently|just|also|have|has|ve|m|am|is|are|re|s|d|work|works"
    r"|jetzt|nun|gerade|inzwischen|maintenant|ahora|actualmente)\s+)*"
)
_OWN = (
    r"(?:^|[,;:.!]\s*|\b(?:and|but|und|et|y|that|dass|que)\s+)"
    r"(?:(?:the )?(?:person|user)(?:'s|s)|my|your|his|her|their|our|meine?|dein|mon|ma|mi)?\s*"
)
_VALUE = r"(?!(?:an?|my|the|home|night|ein\w*|une?)\b)(?P<value>[^.;!?]+)"
_SLOTS = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("lives", rf"{_SELF}(?:lives?|living|resides?|based|relocated|moved|moving) (?:back )?"
                  rf"(?:in|to|at)\s+{_VALUE}"),
        ("lives", rf"{_SELF}(?:wohn|leb)(?:e|t|st|en) (?:jetzt |nun |inzwischen )?in {_VALUE}"),
        ("lives", rf"{_SELF}(?:bin|ist|sind|bist|ziehe|zieht)\s?(?:jetzt |nun )?(?:um)?nach "
                  r"(?P<value>.+?)(?: gezogen| umgezogen)?$"),
        ("lives", rf"{_SELF}(?:j'habite|habite|vis|vit|ai demenage) a {_VALUE}"),
        ("lives", rf"{_SELF}(?:vivo|vive|me mude|se mudo) (?:ahora )?(?:en|a) {_VALUE}"),
        ("employer", rf"{_SELF}(?:works?|working|employed) (?:now )?(?:at|for|by) {_VALUE}"),
        ("employer", rf"{_SELF}(?:arbeite|arbeitet) (?:jetzt |nun )?(?:bei|fur) {_VALUE}"),
        ("employer", rf"{_SELF}(?:travaille) (?:maintenant )?(?:chez|pour) {_VALUE}"),
        ("employer", rf"{_SELF}(?:trabajo|trabaja) (?:ahora )?(?:en|para) {_VALUE}"),
        ("job", rf"{_SELF}(?:works?|working|employed) (?:now )?as (?:an? )?{_VALUE}"),
        ("job", rf"{_SELF}(?:arbeite|arbeitet) (?:jetzt |nun )?als {_VALUE}"),
        ("job", rf"{_OWN}(?:job|profession|occupation|beruf) (?:is|ist|est) (?:an? )?{_VALUE}"),
        ("name", rf"{_OWN}(?:first |full |real )?name (?:is|ist) {_VALUE}"),
        ("name", rf"{_SELF}(?:called|named|heisse|heisst|m'appelle|me llamo) {_VALUE}"),
        ("name", rf"^(?:the name (?:you|they) go by is|(?:please )?call (?:me|them)) {_VALUE}"),
        ("age", rf"{_SELF}(?:bin |ist |bist |j'ai |ai |a |tengo |tiene )?(?P<value>\d{{1,3}}) "
                r"(?:years? old|years? of age|jahre alt|ans|anos)\b"),
        ("age", rf"{_OWN}age is (?P<value>\d{{1,3}})"),
        ("birthday", rf"{_OWN}(?:birthday|geburtstag|anniversaire|cumpleanos) (?:is|ist|est|es)"
                     rf"(?: on| am| le| el)? {_VALUE}"),
        ("birthday", rf"{_SELF}(?:born|geboren) (?:on|am) {_VALUE}"),
        ("favourite", rf"{_OWN}favou?rite (?P<which>[\w ]+?) (?:is|are) {_VALUE}"),
        ("favourite", r"(?:^|[,;:.!]\s*|\band\s+)(?P<value>[^,.;!?]+?) (?:is|are) "
                      r"(?:my|your|the (?:person|user)'s|their) favou?rite (?P<which>[\w ]+)"),
        ("favourite", rf"{_OWN}lieblings(?P<which>\w+) (?:ist|sind) {_VALUE}"),
        ("favourite", rf"{_OWN}(?P<which>\w+) (?:preferee?|favorit[oa]) (?:est|es) {_VALUE}"),
        ("partner", rf"{_OWN}(?:wife|husband|partner|girlfriend|boyfriend|spouse|fiancee?)"
                    rf"(?:'s name)? (?:is|is called|is named) {_VALUE}"),
        ("partner", rf"{_OWN}(?:frau|mann|freundin|freund|partner(?:in)?) (?:heisst|ist) {_VALUE}"),
        ("partner", rf"{_SELF}(?:bin )?(?:married to|verheiratet mit|dating) {_VALUE}"),
        ("status", rf"{_SELF}(?:bin |ist )?(?:now |jetzt )?(?P<value>single|married|engaged"
                   r"|divorced|widowed|ledig|verheiratet|verlobt|geschieden|verwitwet)\b"),
        ("diet", rf"{_SELF}(?:bin |ist )?(?:an? )?(?P<value>vegan|vegetarian|vegetarier|veganer"
                 r"|pescatarian|omnivore)\w*\b"),
        ("phone", rf"{_OWN}(?:phone number|telephone|number|handynummer) (?:is|ist) {_VALUE}"),
    )
)  # fmt: skip
