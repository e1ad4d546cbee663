"""Phrases of several words that speak for a task, and parts of words in scripts without spaces."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from gateway.tasks.vocabulary import NUMERALS, QUANTITIES, WORDS, votes_of

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

_SAID = votes_of(_PHRASES, ",")


def _by_longest_word() -> Mapping[str, tuple[tuple[str, str, float], ...]]:
    found: dict[str, list[tuple[str, str, float]]] = {}
    for said, (task, weight) in _SAID.items():
        found.setdefault(max(said.split(), key=len), []).append((f" {said} ", task, weight))
    return MappingProxyType({word: tuple(phrases) for word, phrases in found.items()})


PHRASES = _by_longest_word()
"""By their longest (rarest) word: the phrase between spaces, its task, its weight."""

KNOWN_WORDS = frozenset(WORDS) | frozenset(PHRASES) | NUMERALS | QUANTITIES
"""Every word that can matter."""

PIECES = votes_of(_PIECES, None)
PIECE = re.compile("|".join(map(re.escape, sorted(PIECES, key=len, reverse=True))))
"""Matches parts of words in scripts that are written without spaces."""
