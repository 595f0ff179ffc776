"""The cases of memory in other languages: what was said is found, and quoted as it was said."""

from tests.memory_steps import Add, Answered, Case, Chat, Listed, Say, Told, case, keep

# The language, what is said in it, a question about that, and a word that answers it.
SAID: tuple[tuple[str, str, str, str], ...] = (
    ("German", "Meine Großmutter wohnt in Übersee", "Wo wohnt meine Großmutter?", "Übersee"),
    ("French", "Mon bateau s'appelle L'Étoile bleue", "Comment s'appelle mon bateau ?", "Étoile"),
    ("Spanish", "El cumpleaños de Begoña es en agosto", "¿Cuándo cumple Begoña?", "agosto"),
    ("Japanese", "私の猫の名前はみそです", "猫の名前は何ですか？", "みそ"),
    ("Arabic", "أنا أعزف على آلة العود في مدينة حلب", "أين أعزف على العود؟", "حلب"),
    ("Thai", "แมวของฉันชื่อส้มโอ", "แมวของฉันชื่ออะไร", "ส้มโอ"),
    ("Ukrainian", "Мій собака зветься Барвінок", "Як зветься мій собака?", "Барвінок"),
    ("Mandarin", "我的船叫做蓝鲸号", "我的船叫什么名字？", "蓝鲸号"),
    ("mixed scripts", "Mein Hund heißt ポチ und mag 사과", "Wie heißt mein Hund?", "ポチ"),
)


def _cases(language: str, said: str, asked: str, wanted: str) -> tuple[Case, ...]:
    return (
        case(
            "languages", f"{language}: what was said is found",
            Say(said), Chat(30), Say(asked), Told(has=(wanted,)),
        ),
        case(
            "languages", f"{language}: what is remembered is quoted as it was said, and found",
            Say(f"{said}.", (keep(said),)), Answered(has=("remembered:", said)),
            Add(60), Say(asked), Told(has=(wanted,)),
        ),
    )  # fmt: skip


LANGUAGES: tuple[Case, ...] = (
    *(one for said in SAID for one in _cases(*said)),
    case(
        "languages", "accents make no difference to finding",
        Say("Zsófia kedvenc étele a töltött káposzta"), Chat(30), Say("zsofia kedvenc etele?"),
        Told(has=("káposzta",)),
    ),
    case(
        "languages", "a quote in other words than the person's is none",
        Say("Ich spiele Cello.", (keep("Ich spiele Geige"), keep("plays the cello"))),
        Listed(has=("nothing about you",)),
    ),
)  # fmt: skip
