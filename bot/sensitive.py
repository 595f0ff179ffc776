"""What is not kept unasked, and what is never kept: by words, because models say what they like.

The lists err towards asking: what is taken for sensitive is kept as soon as its person asks.
"""

import re
from enum import StrEnum

from bot.plain import plain


class Category(StrEnum):
    """What a memory is about, as far as it matters for keeping it."""

    GENERAL = "general"
    HEALTH = "health"
    SEX = "sex"
    RELIGION = "religion"
    POLITICS = "politics"
    ETHNICITY = "ethnicity"
    CRIME = "crime"
    CREDENTIALS = "credentials"
    THIRD_PARTY = "third_party"


def _words(listed: str) -> str:
    """A pattern of words: `*` stands for any ending, `_` for a space."""
    ways = [one.replace("*", r"\w*").replace("_", " ") for one in listed.split()]
    return rf"\b(?:{'|'.join(ways)})\b"


def _any(listed: str, *patterns: str) -> re.Pattern[str]:
    return re.compile("|".join([_words(listed), *patterns]))


# On plain text: small letters, no accents, ss for ß. English, German, French, Spanish.
_TOPICS = {
    Category.HEALTH: _any(
        """
        diabet* asthma* asma epilep* alerg* allerg* migran* migrain* autis* adhd adhs depressi*
        depresi* depressed bipolar* schizo* anorex* bulimi* magersucht* essstorung* ptsd cancer
        krebs krebskrank* krebserkrank* tumor* tumour* leuk* chemo* quimio* chimio* hiv aids vih
        sida pregnan* schwanger* embaraz* grossesse miscarr* abort* fausse_couche fehlgeburt*
        abtreib* suicid* suizid* selbstmord* self-harm* burn-out burnout anxiety angststorung*
        panic_attack* panikattacke* ansiedad anxiete alcoholi* alkoholi* alcooli* sober rehab
        addicted_to suchtig* drogenabh* adicto_a adicta_a diagnos* symptom* medication*
        medikament* medicament* insulin* antidepress* prozac ritalin blood_pressure bluthochdruck
        hypertens* hipertens* cholester* heart_attack herzinfarkt* schlaganfall* had_a_stroke
        infarct* rheuma* arthrit* disabled disability behinder* handicape* discapa* wheelchair
        rollstuhl operiert had_surgery illness disease krank kranke kranker krankheit* erkrankt
        malade* maladie* enfermedad* enfermo enferma infertil* unfruchtbar* menopaus* celiac*
        coeliac* zoliakie lactose_intoleran* laktoseintoleran* parkinson* alzheimer* dementia
        demenz demencia multiple_sclerosis multiple_sklerose crohn* hepatitis covid
        """,
        r"\b(?:suis|est|es|etais|etait) enceinte\b",  # alone it is also a loudspeaker
        r"\b(?:my|meine?[mnr]?|mon|ma|mi) (?:therap|psych|terapeut)",
        r"\b(?:in|seeing a|zur|en) (?:therapy|therapie|terapia|therapist|psychotherap\w+)\b",
        r"\b(?:i am|i'm|is|was|been|feel) (?:very |chronically |mentally )?(?:sick|ill)\b",
    ),
    Category.SEX: _any(
        """
        gay lesbian* lesbisch* lesbienne* lesbiana* schwul* bisexual* bisexuell* queer homo
        homosex* heterosex* transsex* transgender* asexual* asexuell* pansex* non-binary nonbinary
        trans_man trans_woman trans_person sex sexual* sexuell* sexuel* sexo sexe sexleben porn*
        erection* erektion* libido fetish* fetisch* kinky orgasm* condom* kondom* impoten*
        swinger* having_an_affair had_an_affair cheated_on cheating_on one-night_stand*
        """,
        r"\b(?:am|i'm|bin|suis|soy) trans\b",
    ),
    Category.RELIGION: _any(
        """
        muslim* moslem* musulman* islam* catholic* catolic* katholi* catholique* protestant*
        evangeli* jewish judaism jew jews judisch* jude judin juif juive judio judia hindu*
        buddhis* budis* bouddhis* sikh* atheis* athee ateo atea agnosti* mormon* jehova* ramadan
        quran koran coran christianity christian_faith christian_family church mosque synagogue
        kirche moschee synagoge mosquee mezquita a_l'eglise iglesia gottesdienst* i_pray we_pray
        praying baptised baptized ich_bete wir_beten getauft religio*
        """,
        r"\b(?:believe in|glaube? an|crois en|creo en) (?:god|gott|dieu|dios)\b",
        # Christian is also a name.
        r"\b(?:am|i'm|is|bin|als|suis|est|soy|es|a) (?:an? |eine? |une? )?"
        r"(?:devout |practi[sc]ing )?(?:christ(?:ian|in)?|chretien(?:ne)?|cristian[oa]|orthodox)\b",
    ),
    Category.POLITICS: _any(
        """
        i_vote i_voted we_vote we_voted always_vote always_voted usually_vote vote_for voted_for
        votes_for voting_for ich_wahle je_vote vote_pour voto_a voto_por voto_al vote_a vote_por
        republican* democrat democrats socialist* sozialist* socialiste* kommunist* communist*
        fascist* faschist* anarchis* left-wing right-wing linksradikal* rechtsextrem*
        conservative_party tory tories afd cdu csu spd fdp npd bsw psoe ukip die_grunen die_linke
        labour_party labor_party green_party parteimitglied* trade_union* gewerkschaft* syndicat*
        sindicat* izquierdas derechas political_views politically politisch* pro-life pro-choice
        anti-abortion
        """,
        r"\b(?:habe|hat) .{0,30}\bgewahlt\b",
        r"\bmember of (?:the |a )?.{0,20}\bparty\b",
        r"\bsuis (?:plutot )?(?:de|a) (?:gauche|droite)\b|\bde (?:izquierda|derecha)\b",
    ),
    Category.ETHNICITY: _any(
        """
        hispanic* latino latina latinx african-american african_american native_american
        indigenous person_of_color person_of_colour skin_color skin_colour hautfarbe ethnic*
        ethni* migrationshintergrund zigeuner* gypsy gitan gitano gitana kurdish sinti aboriginal
        my_ancestry origine_ethnique raza
        """,
        r"\bi(?:'m| am) (?:an? )?(?:black|white|asian|arab|roma|kurd|biracial|mixed[- ]race)\b",
        r"\bich bin (?:eine? )?(?:schwarz\w*|weiss\w*|farbig\w*|araber\w*|kurd\w*)\b",
        r"\bje suis (?:noire?|blanche?|arabe|metisse?|kurde)\b",
        r"\bsoy (?:negr|blanc|mestiz|indigena|arabe)|\bof [a-z]{1,15} descent\b",
    ),
    Category.CRIME: _any(
        """
        arrested convicted in_prison in_jail to_prison to_jail prison_sentence on_probation parole
        felon felony criminal_record shoplift* stole dui drunk_driving restraining_order assaulted
        raped murdered drug_dealer dealing_drugs cocaine heroin crystal_meth smoke_weed marijuana
        cannabis vorbestraft* verhaftet verurteilt gefangnis* im_knast straftat* gestohlen kokain
        auf_bewahrung diebstahl drogen condamne* casier_judiciaire garde_a_vue en_prison
        arrete_par carcel en_prision detenido detenida condenado condenada arrestado arrestada
        antecedentes_penales cocaina
        """,
        r"\b(?:for|committed|charged with) (?:fraud|theft|assault|robbery|burglary|murder|rape)\b",
    ),
}

_SECRET = _any(
    """
    password* passphrase* passcode* pass_word passwort* kennwort* losungswort mot_de_passe
    mots_de_passe mdp contrasena* senha parola_d'ordine wachtwoord haslo losenord salasana sifre
    pin pin_code pin_number pin-nummer geheimzahl cvv cvc otp ssn 2fa token seed_phrase
    recovery_phrase recovery_code client_secret one-time_code security_code zugangsdaten
    wiederherstellungsschlussel cle_privee cle_secrete cle_api clave_de_acceso clave_privada
    clave_secreta mi_clave la_clave code_secret codigo_secreto login_credentials
    """,
    r"\b(?:api|secret|private|access|ssh|encryption|recovery|wallet|licen[cs]e)[ _-]?keys?\b",
    r"\b(?:door|garage|gate|alarm|safe|lock|entry|tur|tresor)[ -]?code\b",
    r"\bcode\W{1,9}(?:(?:is|ist|est|es)\W{0,9})?\d{3}|пароль|密码|密碼|パスワード|비밀번호",
    r"\b(?:social security|passport|id card|driver'?s licen[cs]e|account|routing|bank|credit card"
    r"|sozialversicherungs|konto|reisepass|ausweis|steuer)[ -]?(?:no|number|num|nummer|nr)\b",
    r"\b\d{3}-\d{2}-\d{4}\b",  # US social security
    r"(?<![+\d])(?:\d[ -]?){13,19}(?!\d)",  # cards
    r"\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,4})?\b(?<=\d)",  # IBAN
    r"-----begin|\bssh-(?:rsa|ed25519|dss) |\b[a-z]+://[^\s/@:]+:[^\s/@]+@",
    r"\b(?:sk|pk|rk|gh[opsur]|glpat|github_pat|xox[abeoprs]|hf|npm|syt|key|whsec|age-secret-key)"
    r"[-_][a-z0-9_-]{10}",
    r"\b(?:akia|asia)[0-9a-z]{14}|\baiza[\w-]{20}|\bya29\.|\beyj[\w-]{10,300}+\.[\w-]{5}",
    r"\bes[tu][a-z0-9](?: [a-z0-9]{4}){5}",  # a Matrix recovery key
)
# Letters and digits without rhyme, as generated keys are.
_RUN = re.compile(r"(?<![\w/.:])[A-Za-z0-9+/_=-]{20,}(?![\w/.])")
_MIXED = tuple(re.compile(one) for one in ("[0-9]", "[a-z]", "[A-Z]"))

_KIN = _words(
    """
    sister brother sibling mother mum mom mama father dad papa parents? son daughter child
    children kids? baby wife husband spouse fiance fiancee girlfriend boyfriend partner partnerin
    ex ex-wife ex-husband uncle aunt cousin nephew niece grandma grandpa grandmother grandfather
    grandson granddaughter friends? boss manager colleagues? coworkers? neighbou?rs? roommate
    flatmate teacher doctor client landlord employee
    schwester bruder mutter vater eltern sohn tochter kind kinder frau mann freund freundin chef
    chefin kollege kollegin nachbar nachbarin onkel tante oma opa cousine mitbewohner
    mitbewohnerin lehrer lehrerin
    soeur frere mere pere fils fille enfants? femme mari copain copine amie? patronne? collegue
    voisine? oncle
    hermana hermano madre padre hij[oa]s? espos[oa] novi[oa] marido mujer amig[oa] jef[ea]
    vecin[oa] ti[oa] prim[oa]
    """
)
_WHOSE = r"(?:my|our|his|her|the|meine?|unsere?|mon|ma|mes|notre|mi|mis|nuestr[oa])"
_CLAUSE = (
    r"(?:^|[,;:.!?>]\s*"
    r"|\b(?:and|but|because|that|so|think|know|und|aber|dass|weil|et|mais|que|y|pero|porque)\s+)"
)
_OTHERS = re.compile(
    rf"{_CLAUSE}{_WHOSE} (?:[\w-]+ ){{0,2}}?{_KIN}"
    r"(?! (?:and|und|et|y) (?:i|me|ich|moi|je|yo)\b)(?P<rest>.*)"
)
# What ties somebody to the person: their name, or who they are to them.
_TIE = re.compile(
    r"^(?:'s name)?,? (?:(?:is|are) (?:called|named)|name is|heisst|heissen|s'appelle|se llaman?"
    r"|is|ist|est|es)(?P<name> [\w'-]+(?: [\w'-]+)?)[.! ]*$"
)
_NAMED = re.compile(r"^'s name is|^,? (?:is|are) (?:called|named)|^ heiss|^ s'appelle|^ se llama")
_SOMEBODY = re.compile(
    r"^\W*(?!(?:I|It|This|That|There|Today|Here|We|You|My|Our|Mein\w*|Ich|Je|Yo|Mi|Mon|Ma)\b)"
    r"[A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w'’-]+)? (?:is|has|was|had|lives|works|likes|loves"
    r"|hates|wants|ist|hat|wohnt|lebt|arbeitet|mag|est|a|habite|travaille|aime|es|tiene|vive|trabaja)\b"
)
_MINE = re.compile(
    r"\b(?:i|my|me|mine|our|we|us|ich|mein\w*|mir|mich|wir|uns\w*|je|moi|mon|ma|mes|yo|mi|mis)\b"
)


def is_secret(text: str) -> bool:
    """Whether a text holds or speaks of what opens something: passwords, keys, numbers of cards."""
    return _SECRET.search(plain(text)) is not None or any(map(_is_random, text.split()))


def _is_random(word: str) -> bool:
    run = _RUN.search(word) if len(word) >= 20 else None
    return run is not None and all(one.search(word, run.start()) for one in _MIXED)


def topic(text: str) -> Category:
    """The sensitive category that a text touches, or GENERAL."""
    folded = plain(text)
    return next(
        (one for one, words in _TOPICS.items() if words.search(folded)),
        Category.GENERAL,
    )


def is_about_others(clause: str) -> bool:
    """Whether a clause says something of somebody else; what ties them to the person doesn't."""
    others = _OTHERS.search(plain(clause))
    if others is not None:
        return not _ties(others["rest"], clause)
    return _SOMEBODY.search(clause) is not None and not _MINE.search(plain(clause))


def _ties(rest: str, clause: str) -> bool:
    """Whether what follows "my sister" says no more than a name."""
    tie = _TIE.match(rest)
    if tie is None:
        return False
    first = tie["name"].split()[0]
    capital = re.search(rf"(?i:\b(?:is|ist|est|es)) {re.escape(first.capitalize())}", clause)
    return bool(_NAMED.match(rest)) or bool(capital and not _OF_A_PLACE.search(first))


_OF_A_PLACE = re.compile(r"(?:ian|ish|ese|ean|isch|ais|ien)$")  # "Brazilian" is no name
