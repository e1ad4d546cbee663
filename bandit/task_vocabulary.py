"""What people say when they want something: words and phrases, each with the task that it speaks for.

A weight of 1 is a hint, 3 is a plain word for the task, 5 is the task's own verb. Words that are common in every
kind of request are left out: they say nothing. Weights are sums of powers of two, so that their order of addition
does not matter.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

Votes: TypeAlias = Mapping[str, tuple[str, float]]
"""From what was found to the task it speaks for, and the weight."""

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

_PHRASES: Mapping[str, Mapping[float, str]] = {
    "code": {
        4.0: """
            write a function, write a program, implement a function, one liner, to do app, status code, exit status,
            error log, build fails, command line, excel formula, a function that, a loop, this loop, this function,
            in python, in java, in javascript, the function, for loop
        """,
        3.0: """
            a function, write function, write a python, a script that, a script to, a program to, a program that,
            unit test, unit tests, source code, this code, stack trace, pull request, code review, type hints,
            design pattern, regular expression, exit code, the regex, multi stage build, a dockerfile, centre a div,
            center a div, sql query, this query, rest api, regulärer ausdruck, reguläre ausdruck, requête sql, sql
            запрос, a class, this class, this method
        """,
    },
    "math": {
        3.0: """
            how many ways, what is the probability, what s the probability, square root, find the area, find the
            value, chance of getting, the chance of, interest rate of, quanto fa, how many hours, times table
        """,
        1.5: """
            how many, how much, how long would, how old is, what is the value, what is the sum, per day, each day,
            each year, per week, in total, as much as, as many as, times as
        """,
        1.0: "is the sum, the sum of, how fast, per hour, how old",
    },
    "extraction": {
        4.0: "action items, pull out, as json, to csv, a csv, in json, to yaml, key value, as a table",
        3.0: """
            yes or no, give me every, give me all, ip address, ip addresses, sort these into, group these, the
            following fields, from the text, from the log, this table, for each line, name and email, as a list,
            return the, with one of, as json array, for each review
        """,
        2.5: """
            on a scale, these categories, list all, find all, find every, list every, one of, which category,
            positive or negative, return only, with columns, return just, with one word, fact or opinion, tous les
        """,
    },
    "translation": {
        5.0: """
            how do you say, how to say, wie sagt man, comment dit on, cómo se dice, german word for, french word
            for, spanish word for, english word for, как сказать, word for, version of, po angielsku, naar het
            engels, come si dice, como se diz, hoe zeg je, как будет
        """,
        2.5: "mean in",
    },
    "summarization": {
        5.0: "tl dr, executive summary, key takeaways, sum up, sum this up, sum it up, in a nutshell",
        4.0: """
            abstract of, main points, key points, important points, main ideas, in short, the gist, boil the, boil
            this, shorten this, shorten the, couple of sentences, main idea, vat dit, keep it to three, in three
            bullets, short version, the gist of, what did they, key point, two sentences, three sentences, one
            sentence, few sentences, one page, at most 200 words, in a few words, main takeaways, what was decided,
            what was agreed
        """,
        1.5: """
            bullet points, in two sentences, in one sentence, in one line, en una frase, en una línea, en une phrase
        """,
    },
    "writing": {
        4.0: """
            cover letter, blog post, product description, subject lines, subject line, make this, make it, act as,
            in character, the role of, role play, fix the grammar, press release for, short story, names for, title
            for, continue the story
        """,
        3.0: """
            thank you note, out of office, opening scene, sound rude, does not sound, spelling and grammar, turn
            these, less passive, more formal, five names, ten names, names for a, a speech, a letter, a poem, a
            story, a song, an email, a message, a note, a caption, a post, a tweet, an essay, a joke about, write
            about, dear mr, in the style of
        """,
        2.0: """
            help me write, come up with, tell me a story, sounds better, imagine you are, picture yourself, the
            persona of, as if you were
        """,
    },
    "cloze": {
        4.0: """
            in the blank, missing word, best ending, which ending, complete the sentence, complete the text
        """,
    },
    "question_answering": {
        2.5: """
            difference between, tell me about, facts about, how does, how do, what does, what happens, according to
            the, based on the passage, based on the text, read the passage, wie funktioniert, qu est ce que,
            pourquoi le, por qué, qué es, что такое
        """,
        1.0: """
            stand for, how tall, how far is, how old is the, when was, when did, where is, where does, where do, who
            invented, who discovered, why do, why does, why is, why are, is it true, can you explain, short
            overview, what causes, what year, which year, in which, how can i, how do i
        """,
        1.5: "history of, meaning of, who was, who is, is it safe, was ist",
        0.5: "what is, what are, what s",
    },
    "analysis": {
        3.0: """
            pros and cons, trade offs, should i, should we, root cause, business idea, help me decide, who owns,
            what could be, training plan, meal plan, day trip, which would you, vor und nachteile, step by step,
            tell the truth, tells the truth, valid argument, how would you design, to the left of, next to, what
            would happen, would you choose, which would be, reason it through, draw up, set up criteria, think it
            through, think through, how should, what should, what if, help me choose, help me plan, in the long run,
            business plan, what are the risks, what could go wrong, is true, are false, which database, how would
            you approach
        """,
    },
    "chat": {
        4.0: """
            how are you, nice to meet, what s up, good morning, good evening, good night, good afternoon, i feel,
            are you a, are you human, are you real, do you have, do you like, do you feel, your favourite, your
            favorite, tell me a joke, guten tag, guten morgen, guten abend, wie geht, ça va, qué tal, как дела, can
            we talk, i m so, i m bored, want to talk, words of comfort, what do you think, who are you, entertain me
        """,
        2.0: """
            do you, are you, have you, you ever, your day, can t sleep, i m, i just, not what i, how s, how are,
            come stai, dank je, love you, see you
        """,
    },
}

_PIECES: Mapping[str, Mapping[float, str]] = {
    "code": {
        3.0: "代码 函数 编程 算法 正则 関数 コード プログラム 코드 함수",
    },
    "math": {
        4.0: "还剩 计算 解方程 等于多少 計算し 求めよ 求めなさい 方程式 几分之",
    },
    "extraction": {
        4.0: "提取 抽取 分类 抽出 추출",
    },
    "translation": {
        6.0: "翻译 翻訳 译成 訳して 英訳 번역",
    },
    "summarization": {
        6.0: "总结 概括 摘要 要約 まとめて 요약",
    },
    "writing": {
        3.0: "写一 写封 帮我写 写个 作文 润色 改写 書いて 작성",
    },
    "question_answering": {
        2.0: "什么 为什么 是谁 哪里 怎么 とは なぜ 何です 무엇 왜",
    },
    "analysis": {
        4.0: "比较 分析 优缺点 计划 制定 方案 比較 策略",
    },
    "chat": {
        4.0: "你是谁 你好 您好 谢谢 こんにちは ありがとう 안녕",
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
"""Words that open a question."""

LANGUAGE = ("translation", 1.25)
"""How the names of languages vote."""

INTO = frozenset("in into to from auf ins nach aus en al del em para in naar op på na по на με σε".split())  # noqa: SIM905
"""Before the name of a language they speak of translation."""

NUMERALS = frozenset(
    "two three four five six seven eight nine ten eleven twelve twenty thirty fifty hundred thousand dozen half twice "  # noqa: SIM905
    "third quarter double triple".split()
)

QUANTITIES = frozenset(
    "many much total altogether left remaining each per average cost costs percent more less times discount "  # noqa: SIM905
    "cuántos cuántas combien сколько viele viel groß long far old hour hours earn earns spend spends sold".split()
)
"""Words of sums told as a story."""


def _votes(spoken: Mapping[str, Mapping[float, str]], separator: str | None) -> Votes:
    """From each thing said to its vote. Raises ValueError for what would speak twice."""
    votes: dict[str, tuple[str, float]] = {}
    for task, by_weight in spoken.items():
        for weight, all_said in by_weight.items():
            for said in (" ".join(part.split()) for part in all_said.split(separator)):
                if said in votes:
                    raise ValueError(f"{said!r} speaks for {votes[said][0]} and for {task}")
                votes[said] = (task, weight)
    return MappingProxyType(votes)


WORDS = _votes(_WORDS, None)
_SAID = _votes(_PHRASES, ",")


def _by_longest_word() -> Mapping[str, tuple[tuple[str, str, float], ...]]:
    found: dict[str, list[tuple[str, str, float]]] = {}
    for said, (task, weight) in _SAID.items():
        found.setdefault(max(said.split(), key=len), []).append((f" {said} ", task, weight))
    return MappingProxyType({word: tuple(phrases) for word, phrases in found.items()})


PHRASES = _by_longest_word()
"""By their longest word, the rarest: the phrase between spaces, its task, its weight."""

HEARD = frozenset(WORDS) | frozenset(PHRASES) | NUMERALS | QUANTITIES
"""Every word that may matter."""

PIECES = _votes(_PIECES, None)
PIECE = re.compile("|".join(map(re.escape, sorted(PIECES, key=len, reverse=True))))
"""Parts of words for scripts that are written without spaces."""
