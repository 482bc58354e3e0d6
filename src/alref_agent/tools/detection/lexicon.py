"""The closed word lists that the shallow parser in `words.py` reads English with."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """The words of a list written as text: a long list reads best without quotes and commas."""
    return tuple(text.split())


def _set(text: str) -> frozenset[str]:
    return frozenset(listed(text))


DETERMINERS = _set("a an the this that these those his her its their my your our whose some any")
POSSESSIVES = _set("his her its their my your our whose")
QUANTIFIERS = _set("all both each every many several few various multiple only same other another")
MANY = _set("all both many several few various multiple")
"""Quantifiers that ask for more than one."""

NUMBERS = {
    word: value
    for value, word in enumerate(
        listed("one two three four five six seven eight nine ten eleven twelve"), start=1
    )
} | {"couple": 2, "pair": 2, "trio": 3, "both": 2, "dozen": 12}
ORDINALS = {
    word: value
    for value, word in enumerate(
        listed("first second third fourth fifth sixth seventh eighth ninth tenth"), start=1
    )
} | {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "6th": 6, "last": -1}

PREPOSITIONS = _set(
    "in on at of with without by to from over under through across along behind beside besides "
    "between among near into onto off around against towards toward above below underneath "
    "beneath inside outside past up down after before during for about within upon via amid "
    "alongside atop beyond next"
)
RELATIVES = _set("who whom which that whose where when while as because if what how why")
PRONOUNS = _set("i he she it they we you him them me us himself herself itself themselves there")
AUXILIARIES = _set(
    "ca wo "  # of `can't` and `won't`
    "is are was were be been being am has have had having do does did can could will would shall "
    "should may might must gets get got s"
)
CONJUNCTIONS = _set("and & plus")
NEGATIONS = _set("not no never without non except")
ADVERBS = _set(
    "very quickly slowly fast really just then also too together away forward forwards backward "
    "backwards here now again still almost alone currently rapidly quietly happily back apart "
    "please most more quite rather so well or but than ahead aside"
)
REQUESTS = _set(
    "find segment show track select mask locate detect highlight give get mark see want need "
    "follow identify point look image video picture frame clip scene"
)
"""Words before the object in a request: `please segment the dog in the video`."""

FRAME_WORDS = _set(
    "image frame video picture screen scene shot clip camera photo footage viewer view mask"
)
"""Nouns for the video itself, and for what is made of it."""
PARTS = _set("side hand corner part half edge end area portion most position")
"""Nouns that may follow a place: `left side`."""
WEARING = _set("wearing dressed clad clothed wears")
RIDING = _set("ride rides riding rode ridden pushing pulling push pull driving")
"""Verbs whose subject touches their object."""

COLLECTIVES = _set(
    "pair couple group herd flock bunch crowd pack team trio line row set number lot lots kind "
    "type one some all each both many several two three four five six dozen piece pieces slice "
    "slices few school swarm"
)
"""Words that, before `of`, only say how many: `a herd of cows` is about cows."""

CLOTHES = _set(
    "shirt tshirt jacket coat dress suit trousers pants jeans shorts skirt sweater jumper hoodie "
    "vest uniform jersey top outfit clothes clothing costume robe overalls leotard wetsuit "
    "raincoat jean trouser blouse gown "
    "kimono sweatshirt cardigan tracksuit kit gear attire garment apron"
)
"""Clothes that cover enough of a body to colour its box."""

COATS = _set("fur feathers coat spots stripes wool plumage body paint skin hull sail")
"""What covers a thing, so that its colour is the thing's."""

LEFT = _set("left leftmost lefthand")
RIGHT = _set("right rightmost righthand")
TOP = _set("top topmost upper uppermost highest")
BOTTOM = _set("bottom bottommost lower lowest")
MIDDLE = _set("middle center centre central")
FRONT = _set("front foreground nearest closest foremost frontmost")
BACK = _set("background rear furthest farthest distant hindmost")
LARGE = _set("big large bigger larger biggest largest huge tall taller tallest giant enormous")
SMALL = _set("small little tiny smaller smallest littlest tiniest short shorter shortest")

STATIC = _set(
    "standing sitting parked lying still stationary sleeping resting motionless static stopped "
    "waiting seated kneeling posing leaning idle unmoving asleep"
)
MOVING = _set(
    "moving running walking driving riding jumping swimming flying dancing drifting racing "
    "surfing skating skiing cycling rolling sliding falling turning twirling spinning passing "
    "chasing galloping trotting crossing climbing sailing gliding paragliding skateboarding "
    "snowboarding breakdancing breakdance swinging strolling marching hopping crawling sprinting "
    "jogging speeding hiking grazing rowing floating wandering leaping landing launching going "
    "coming approaching leaving entering travelling traveling pushing pulling bouncing biking "
    "moves runs walks drives rides jumps swims flies dances drifts races turns spins rolls falls "
    "climbs glides"
)
MOVE = _set("move run walk drive ride jump swim fly dance drift race climb roll spin fall")
"""Infinitives of motion; most are nouns too, so what comes before decides."""
VERBS = _set(
    "ridden driven held worn led thrown caught seen shown flown kept made taken stops "
    "rides runs walks jumps drives swims flies dances holds plays stands sits eats carries "
    "pushes pulls moves turns goes comes wears looks jumped holding held drifts races spins "
    "rolls falls climbs glides throws kicks hits catches chases follows leads crosses passes "
    "ride push pull hold carry hits drink drinks sleeps lies faces"
)
"""Finite verbs; most are plural nouns too, so they count as verbs only after a noun."""

NOT_PARTICIPLES = _set(
    "building ceiling king ring wing string thing clothing painting being railing awning evening "
    "morning spring swing wedding sling bed sled shed seed breed weed steed speed reed feed ded "
    "red something anything everything nothing pudding duckling earring viking kid hundred "
    "sibling darling sterling gosling fledgling yearling underling"
)
"""Words in -ing and -ed that are no participles."""

ADJECTIVES = _set(
    "young old older younger elderly wild fast slow new tame baby adult male female main same "
    "beautiful nice cute happy angry fluffy furry hairy striped spotted wooden metal plastic "
    "electric antique vintage sporty bare round square long high low open closed full empty wet "
    "dry dirty clean hot cold live real fat thin slim bald blond blonde bearded whole entire "
    "single double lone own visible different certain lower upper colourful colorful bright "
    "sleek shiny modern classic muscular strong far near close"
)

SINGULARS = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "people": "people",
    "geese": "goose",
    "mice": "mouse",
    "oxen": "ox",
    "calves": "calf",
    "wolves": "wolf",
    "knives": "knife",
    "buses": "bus",
    "feet": "foot",
    "teeth": "tooth",
    "leaves": "leaf",
    "sheep": "sheep",
    "skis": "skis",
    "scissors": "scissors",
    "bus": "bus",
    "gas": "gas",
    "glass": "glass",
    "dress": "dress",
    "grass": "grass",
    "tennis": "tennis",
    "bison": "bison",
    "lens": "lens",
    "walrus": "walrus",
    "octopus": "octopus",
    "hippopotamus": "hippopotamus",
    "rhinoceros": "rhinoceros",
    "platypus": "platypus",
    "cactus": "cactus",
    "moped": "moped",
    "policemen": "policeman",
    "firemen": "fireman",
    "shelves": "shelf",
    "thieves": "thief",
    "wives": "wife",
    "ponies": "pony",
    "donkeys": "donkey",
    "movies": "movie",
    "cookies": "cookie",
    "zombies": "zombie",
    "headphones": "headphones",
}


def singular(word: str) -> str:
    """The singular of an English noun, by rule and a table of the irregular ones."""
    if word in SINGULARS:
        return SINGULARS[word]
    for ending, single in (("men", "man"), ("women", "woman")):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: -len(ending)] + single
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    if word.endswith("oes"):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def is_plural(word: str) -> bool:
    """Whether the noun is in the plural (`sheep` is not known to be)."""
    return word in {"people", "cattle", "folks", "police"} or singular(word) != word
