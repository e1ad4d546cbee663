"""Words that speak for a task, with their weights.

A weight of 1 is a hint, 3 a plain word for the task, 5 the task's own verb. Words that are common in every kind of
request are left out. Weights are sums of powers of two, so that the order of addition does not change a sum.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

Votes: TypeAlias = Mapping[str, tuple[str, float]]
"""For each word, the task it speaks for and its weight."""

_WORDS: Mapping[str, Mapping[float, str]] = {
    "code": {
        3.0: """
            refactor refactoring debug debugging stacktrace traceback python javascript typescript java rust golang
            kotlin php haskell matlab powershell bash sql mysql postgres sqlite mongodb regex html css dockerfile
            docker kubernetes terraform nginx django flask fastapi react nodejs webpack flexbox numpy pandas pytest
            graphql codebase useeffect usestate cors localhost typeerror valueerror keyerror nullpointerexception
            segfault c++ c# коде código код npm yarn pip pytorch tensorflow svelte vue angular kubectl yaml xpath
            jquery laravel springboot maven gradle cmake makefile github gitlab jenkins ansible redis kafka
            elasticsearch prisma vite nextjs tailwind bootstrap macro vba stdin stdout stderr regexp awk sed grep
            chmod ssh curl cron crontab systemd segfaults nullpointer indexerror attributeerror importerror
            runtimeerror syntaxerror referenceerror
        """,
        2.0: """
            implement function functions code coding program programs programming software algorithm программа
            программу algorithms перегрузкой error errors bug bugs loop backend frontend endpoint repo repository
            commit merge branch git api apis sdk cli compile compiler linter eslint query queries pointer struct
            recursion recursive async await rest unittest tuple tuples dict dictionary ruby scala funktion
            funktionen skript datenbank fonction fonctions requête composant función funciones consulta скрипт
            запрос sqlabfrage funzione função excel formula excelformel shell terminal codes coded programmer
            programmers programmieren programme programa script скрипты funzioni funções classe clase clases
            algoritmo algoritmus algorithme err stack heap parser iterator decorator mutex thread threads callback
            promise websocket webhook oauth jwt schema orm indexes deadlock app website webpage plugin
        """,
        1.0: """
            swift comments readable class method methods array arrays string strings lists variable variables
            exception server database container deploy test tests constructor module package library framework
            klasse методы element page files folder div elements substring characters install installed dependency
            dependencies runner build pipeline logs log login html5 cache caching hash boolean null undefined pods
            cluster deployment instance
        """,
    },
    "math": {
        3.0: """
            equation equations integral derivative differentiate eigenvalues eigenvalue theorem polynomial
            irrational permutations permutation algebra geometry trigonometry arithmetic hypotenuse quadratic
            factorize calculate perimeter eigenvectors berechne löse gleichung gleichungssystem wahrscheinlichkeit
            flächeninhalt umfang résoudre résous équation dérivée remainder vertices endpoints inequality calculer
            resuelve calcula ecuación derivada решите реши вычисли уравнение calcola equazione fahrenheit multiply
            subtract quotient numerator denominator cosecant hypotenuses logarithms diagonal binomial vectors
            asymptote tangent hexagon pentagon cuboid parallelogram circumference uitrekenen bereken oblicz hesapla
        """,
        2.0: """
            solve prove compute simplify probability math maths mathematics logarithm cosine sine matrix modulo
            divisible factorial calcule compounded chance odds digit digits decimal fraction fractions prime
            multiples ratio factor rounded median
        """,
        1.0: """
            sum percent percentage total average triangle circle radius volume area dice divided integer integers
            consecutive interest celsius solution segment number numbers velocidad speed km mph euro euros dollars
            dollar cents price prices grams kg litres liters miles percentages plus minus subsets perfect mwst iva
        """,
    },
    "extraction": {
        4.0: """
            extract extraction extracts extrahiere extrahieren extrae extraer extraire extrais extrai извлеки
            извлечь estrai extraheer wyodrębnij çıkar extraia
        """,
        3.0: "classify sentiment entities categorize categorise klassifiziere классифицируй csv xml",
        2.5: "parse parsing",
        2.0: """
            json reviews assign invoice receipt label tag spam fields columns identify category categories detect
            structured keywords labels tags labelled ip addresses entity ocr complaints intent group
        """,
        1.0: """
            liste rate row rows key keys spreadsheet table mentioned names emails dates return below lines records
            entries occurrences values
        """,
    },
    "translation": {
        5.0: """
            translate translates translating translated translation translations translator traduction traducteur
            traduccion traducción traduce traducir traducela traduz traduzir tradução traduzione перевод переведи
            переведите перевести переводчик übersetzer traduis traduire traduci traduza übersetze übersetzen
            übersetz übersetzung vertaal vertaling vertalen çevir çeviri przetłumacz tłumaczenie översätt
            översättning oversett oversæt käännä fordítsd přelož traduceți μετάφρασε ترجم अनुवाद
        """,
        2.0: "subtitles multilingual bilingual localise localize",
        1.25: """
            english french german spanish italian portuguese dutch russian chinese japanese korean arabic turkish
            swedish danish norwegian finnish hindi greek polish latin hebrew thai vietnamese ukrainian czech
            hungarian englisch englische deutsch französisch französische spanisch inglés inglese anglais espagnol
            allemand английский немецкий русский français português romanian bulgarian icelandic catalan persian
            urdu bengali tagalog swahili malay indonesian mandarin cantonese engels frans duits spaans angielsku
            ingilizceye engelska
        """,
    },
    "summarization": {
        5.0: """
            summarize summarise summarizes summarizing summary summaries summarization tldr zusammenfassung
            zusammenfassen résumer résume resumen riassumi riassunto samenvatting resuma resumo samenvatten
            streszczenie streść özetle özet sammanfatta sammanfattning samenvat summarised summarized synopsis
        """,
        4.0: "recap condense takeaways gist кратко краткое",
        2.0: """
            abstract shorten resume résumé digest fasse zusammen содержание highlights bullets minutes shortened
        """,
    },
    "writing": {
        5.0: "proofread limerick rephrase paraphrase reword",
        4.0: """
            poem haiku sonnet rewrite fictional verfasse rédige rédiger redacta slogan tagline lyrics gedicht poème
            poema стихотворение сочини newsletter rap sketch obituary eulogy memoir manifesto parody schrijf
        """,
        3.0: """
            essay draft compose story stories tweet headline caption spelling wording catchy pretend screenplay
            novel song toast grammar rechtschreibung korrigiere история поздравление рассказ письмо cuento
            gutenachtgeschichte wedding bedtime linkedin instagram roleplay persuasive persona podcast dialogue
        """,
        2.0: """
            write blog email mail letter speech edit tone craft friendlier formal schreib schreibe écris écrire
            escribe scrivi escreva напиши carta lettre brief rede absage erzähl formuliere fiction title titles
            titel rewriting character professional sound improve mistakes typos metaphor slogans advertisement note
            notes message messages paragraphs announcement invitation invite apology greeting card cv bio biography
            rhyme verse chapter post posts napisz yaz skriv schreiben texte mensagem messaggio mensaje lettera
            nachricht gruß rude polite passive
        """,
        1.5: "friendly humorous witty turn thank-you",
        1.0: """
            description scene opening reply writing funny playful paragraph birthday brother continue create
            generate creative imagine vivid
        """,
    },
    "cloze": {
        4.0: "continuation continuations lücke lücken",
        3.0: "blank blanks hueco trou",
        2.0: "preposition",
    },
    "question_answering": {
        2.5: "define definition",
        2.0: "explain explica erkläre explique объясни described",
        1.5: """
            recipe describe facts meaning history according passage causes capital overview stand stands symptoms
            difference differences distance origin tallest largest longest oldest fastest biggest smallest
        """,
    },
    "analysis": {
        4.0: "swot",
        3.0: """
            analyze analyse analysis analyzing compare comparing comparison vergleich анализ стратегия стратегию
            assess critique strategy strategic roadmap tradeoffs prioritize prioritise puzzle riddle deduce
            itinerary analysiere vergleiche bewerte strategie marketingstrategie analiza compara comparez сравни
            проанализируй schedule timetable criteria vergelijk porównaj karşılaştır confronta analizza analysera
            feasibility forecast diagnose prognosis
        """,
        2.5: """
            pros cons advantages disadvantages plan planning vorteile nachteile avantages inconvénients ventajas
            desventajas преимущества недостатки mitigate mitigated interpret architecture decide план
        """,
        2.0: """
            checklist menu suggest ideas evaluate statements recommend recommendation risks consequences
            implications outline justify weaknesses strengths brainstorm discuss reasons logical lies plausible
            alphabetically sort argument arguments migration erstelle entwickle prepare review choose choosing
            should alternatives options challenges factors influence effective strategies policies policy relevance
            consider tradeoff worth gegenüber stelle bewertung risk benefits evaluation
        """,
        1.5: "reason false true statement boxes liar knights knaves likely effects affect plans",
        1.0: "design budget decision phases impact conclude hypothesis truth scenario",
    },
    "chat": {
        3.0: """
            hi hello hey hiya hallo moin servus salut hola ciao olá привет здравствуйте thanks thx merci gracias
            danke спасибо lol haha joke bored lonely bye goodnight bonjour grazie obrigado hej hoi hallå namaste
            salaam merhaba teşekkürler dziękuję cześć bedankt dank tak takk obrigada prego sorry congrats yay ugh
            hmm cheers
        """,
        2.0: """
            thank ok okay nope yeah feelings feel favourite favorite nice cool wow talk nervous sleep tired sad
            happy excited engaged miss hug friend angry feeling stressed scared next stop
        """,
        1.0: "no sure please really i my",
    },
}

OPENERS = frozenset(
    "what who whom whose when where why which how is are was were does do did can could will would should "  # noqa: SIM905
    "wer was wann wo warum wieso wie welche welcher welches qui quand où pourquoi comment quel quelle quels "
    "quelles combien qué quién cuándo dónde cuál cuáles cómo cuántos quem quando onde qual chi dove perché quale "
    "кто что когда где почему как какой какая сколько "
    "waar wat wie waarom hoe wanneer co jak dlaczego kto gdzie kiedy ne nasıl neden kim nerede vad hur varför vem "
    "hvad hvorfor hvordan mitä miksi كيف ما ماذا لماذا متى أين من क्या क्यों कैसे τι γιατί πώς".split()
)
"""Words that begin a question."""

LANGUAGE = ("translation", 1.25)
"""The vote of a language's name."""

INTO = frozenset("in into to from auf ins nach aus en al del em para in naar op på na по на με σε".split())  # noqa: SIM905
"""Words before a language's name that speak for translation."""

NUMERALS = frozenset(
    "two three four five six seven eight nine ten eleven twelve twenty thirty fifty hundred thousand dozen half twice "  # noqa: SIM905
    "third quarter double triple".split()
)

QUANTITIES = frozenset(
    "many much total altogether left remaining each per average cost costs percent more less times discount "  # noqa: SIM905
    "cuántos cuántas combien сколько viele viel groß long far old hour hours earn earns spend spends sold".split()
)
"""Words of quantity in word problems."""


def votes_of(spoken: Mapping[str, Mapping[float, str]], separator: str | None) -> Votes:
    """The vote of each word. Raises ValueError for a word that is listed twice."""
    votes: dict[str, tuple[str, float]] = {}
    for task, by_weight in spoken.items():
        for weight, all_said in by_weight.items():
            for said in (" ".join(part.split()) for part in all_said.split(separator)):
                if said in votes:
                    raise ValueError(f"{said!r} speaks for {votes[said][0]} and for {task}")
                votes[said] = (task, weight)
    return MappingProxyType(votes)


WORDS = votes_of(_WORDS, None)
