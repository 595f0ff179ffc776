"""What somebody's words ask or claim about memory, in the languages that we have words for."""

import re

from bot.plain import plain

LOOKED_AT = 8_000  # characters

# Where an order begins: at the start of a clause, or behind "please", "can you" and the like.
_ORDER = (
    r"(?:^|[.!?;:,…(\"“–—-]\s*|\b(?:please|and|also|so|then|but|now|just|"
    r"(?:can|could|would|will|should|may|might) you(?: please)?|you (?:can|may|should|must)|"
    r"(?:want|need|like) you to|bitte|und|aber|also|dann|kannst du(?: bitte)?|s'il te plait|"
    r"et|puis|por favor|y|entonces)\s+)(?:please |bitte |just |also |now )?"
)

_REMEMBER = re.compile(
    _ORDER + r"(?:remember(?! (?:me|when|how|what|who|where|why|which|if|the time"
    r"|to (?!call)\w+)\b)(?!\s*\?)"
    r"|memori[sz]e\b|save (?:this|that|it) (?:to|in) (?:your )?memory\b"
    r"|store (?:this|that) in (?:your )?memory\b|add (?:this|that|it) to (?:your )?memory\b"
    r"|merke? dir\b|merk(?:e|t)? (?:es |das )?dir\b|behalte? (?:das|es|dir|im kopf|bitte)\b"
    r"|schreibe? dir auf\b"
    r"|retiens\b|retenez\b|memorise\b|memorisez\b|gardez? en (?:memoire|tete)\b"
    r"|recuerd[ae](?: que\b|:| esto\b|,| mi\b)|memoriza\b"
    r"|ricorda (?:che|questo)\b|ricordati\b|tieni a mente\b|lembra-te\b|lembre-se\b|lembre que\b"
    r"|onthoud\b|zapamietaj\b|kom ihag\b|husk at\b|hat[iı]rla\b|akl[iı]nda tut\b"
    r"|запомни|помни,? что)"
    r"|\b(?:don'?t|do not|never|dont) (?:ever )?forget\b(?! to\b)"
    r"|\b(?:bitte|dir|das|es|dass?) (?:\w+ ){0,2}?merken\b(?!\s*\?)"
    r"|\bvergiss (?:das |es |bitte |mir )*nicht\b|\bnicht vergessen\b"
    r"|\b(?:souviens-toi|rappelle-toi|souvenez-vous|rappelez-vous)\b(?! (?:de )?(?:quand|quoi)\b)"
    r"|\bn'oublie[sz]? (?:pas|jamais)\b|\bacuerdate (?:de )?(?:que|esto|mi)\b"
    r"|\bno (?:te )?olvides\b|\bten en cuenta\b|\bnon dimenticare\b|\bnao (?:te )?esquec\w+"
    r"|\bvergeet niet\b|\bnie zapomnij\b|не забудь|не забыва|\bunutma\b"
    r"|记住|記住|记得我|記得我|覚えておいて|覚えといて|기억해",
)

# These are said of many things; of the person only with a word for them behind it.
_NOTE = re.compile(
    _ORDER
    + r"(?:(?:keep|bear) (?:it )?in mind|make a note|take (?:a )?note|note (?:down )?that|note"
    r"|write down|save (?:this|that|it)|(?:for )?(?:future reference|next time)"
    r"|denke? (?:bitte )?(?:daran|dran)|notiere?|speich(?:ere?|re)"
    r"|notez? que|apunta|anota|guarda (?:esto|que|en))\b"
)
_OF_THE_PERSON = re.compile(
    r"\b(?:i|i'm|i've|me|my|mine|ich|mir|mich|mein\w*|je|j|moi|mon|ma|mes|yo|mi|mis|soy|tengo|vivo)\b"
)

_FORGET = re.compile(
    _ORDER + r"(?:forget\b(?! (?:it|about it|that|this)?\s*(?:$|[.!,;]))"
    r"|(?:delete|erase|remove|drop|clear|wipe) (?:\S+ ){0,4}?(?:memor(?:y|ies)"
    r"|remember|know|noted)\b"
    r"|(?:delete|erase|remove|drop) (?:that|the fact|my|what|number|no\.?|nr\.?|#)\b"
    r"|(?:delete|erase|remove|drop) (?:number )?\d+\b"
    r"|stop remembering\b|(?:don'?t|do not|dont) (?:remember|keep|save|store)\b"
    r"|vergiss\b(?! (?:\w+ ){0,2}?nicht\b)|losche?\b|streiche?\b|entferne?\b"
    r"|merk dir (?:\w+ ){0,3}?nicht\b"
    r"|oublie[sz]?\b(?! pas\b)|efface[sz]?\b|supprime[sz]?\b|retire[sz]?\b"
    r"|olvida(?:te)?\b|olvide\b|borra\b|borre\b|elimina\b|dimentica(?:ti)?\b|cancella\b|"
    r"esquec[ea]\b|apaga\b|vergeet\b(?! niet\b)|verwijder\b|wis\b|zapomnij\b|usun\b|glom\b|"
    r"unut\b|забудь|удали|сотри)"
    r"|\byou (?:can|may|should|must) forget\b|\bvergessen\b(?=\s*[.!]?\s*$)|忘记|忘れて|잊어",
)
_NOT_FORGET = re.compile(
    r"\b(?:don'?t|do not|never|dont) (?:ever )?forget\b|\bnicht vergessen\b|\bn'oublie"
    r"|\bnie zapomnij"
    r"|не забудь|\bnon dimenticare|\bno (?:te )?olvid|别忘记|不要忘记"
)

# What a model says that saved something, or believes that it did.
_CLAIM = re.compile(
    r"\bi(?:'ve| have| ve)? (?:also |now |just |already )?(?:saved|noted|stored"
    r"|recorded|memori[sz]ed|"
    r"remembered|made a (?:mental )?note|added (?:that|this|it) to)\b"
    r"|\bi(?:'ll| will| shall)(?: be sure to| make sure to| try to)? (?:always )?(?:remember|"
    r"keep (?:that|this|it) in mind|bear (?:that|this) in mind|make a (?:mental )?note"
    r"|note (?:that|this|it)"
    r"|not forget|never forget|save (?:that|this|it)|store (?:that|this|it))\b|\bi won'?t forget\b"
    r"|\b(?:saved|added|stored) (?:\w+ ){0,2}?(?:to|in) (?:my|your|the) memor(?:y|ies)\b"
    r"|^\W*(?:(?:ok|okay|great|got it|sure|thanks|alright|perfect)\W+)?(?:noted|saved"
    r"|remembered)\b"
    r"|\b(?:habe?|hab) (?:ich )?(?:mir )?(?:\w+ ){0,3}?(?:notiert|gemerkt|gespeichert)\b"
    r"|\bmerke? (?:ich )?(?:es |das )?mir\b|\bich werde? (?:\w+ ){0,3}?(?:merken"
    r"|nicht vergessen)\b"
    r"|^\W*(?:(?:ok|okay|gut|alles klar|danke)\W+)?(?:ist )?(?:notiert|gemerkt|gespeichert)\b"
    r"|\bj'ai (?:bien |deja )?(?:note|retenu|enregistre|memorise)\b"
    r"|\bc'est (?:bien )?note\b|^\W*note\W*$"
    r"|\bje (?:m'en |le |la )?(?:souviendrai|retiens|retiendrai"
    r"|garde(?:rai)? en memoire|n'oublierai)\b"
    r"|\b(?:lo |la )?(?:he )(?:guardado|anotado|apuntado|memorizado)\b|\b(?:lo |la )recordare\b"
    r"|\brecordare que\b|\blo tendre en cuenta\b|^\W*(?:anotado|guardado|apuntado)\b"
    r"|\bho (?:salvato|annotato|memorizzato)\b|\b(?:me ne|lo|mi) ricordero\b"
    r"|\bvou (?:me )?lembrar\b"
    r"|\bik (?:onthoud|zal (?:het |dat )?onthouden)\b|^\W*genoteerd\b"
    r"|я запомн|запомнил|记住了|覚えました",
)
_CLAIM_FORGOTTEN = re.compile(
    r"\bi(?:'ve| have| ve)? (?:now |just |also )?(?:forgotten|deleted|erased|removed)\b"
    r"|^\W*(?:(?:ok|okay|sure|done)\W+)?(?:forgotten|deleted|erased|removed)\b"
    r"|\b(?:habe?|hab) (?:ich )?(?:\w+ ){0,3}?(?:vergessen|geloscht|entfernt)\b"
    r"|\bj'ai (?:bien )?(?:oublie|efface|supprime)\b|\bhe (?:olvidado|borrado|eliminado)\b"
)


def asks_to_remember(text: str) -> bool:
    """Whether somebody asks, in their own words, that something be remembered."""
    lines = _lines(text)
    return _REMEMBER.search(lines) is not None or any(map(_notes, re.split(r"[.!?]", lines)))


def _notes(sentence: str) -> bool:
    """Whether a sentence orders to note something, and then names the person."""
    order = _NOTE.search(sentence.strip())
    return order is not None and _OF_THE_PERSON.search(sentence.strip(), order.end()) is not None


def asks_to_forget(text: str) -> bool:
    """Whether somebody asks, in their own words, that something be forgotten."""
    return _FORGET.search(_NOT_FORGET.sub(" ", _lines(text))) is not None


def claims_to_remember(text: str) -> bool:
    """Whether a model says that it has saved something, or will remember it."""
    return _CLAIM.search(_lines(text)) is not None


def claims_to_forget(text: str) -> bool:
    """Whether a model says that it has forgotten something."""
    return _CLAIM_FORGOTTEN.search(_lines(text)) is not None


def _lines(text: str) -> str:
    """Comparable, and the end of a line still ends a clause; of a book, its beginning and end."""
    if len(text) > LOOKED_AT:
        text = f"{text[: LOOKED_AT // 2]}\n{text[-LOOKED_AT // 2 :]}"
    return plain(" ; ".join(text.splitlines()))[:LOOKED_AT]
