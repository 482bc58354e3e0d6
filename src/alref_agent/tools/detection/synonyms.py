"""Which nouns mean a COCO class, and which only a kind of thing that some classes belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from alref_agent.tools.detection import coco
from alref_agent.tools.detection.lexicon import listed

_PERSON = """
man woman boy girl child kid baby toddler infant people human adult guy lady gentleman dude bloke
fellow teenager teen youth youngster crowd audience family couple team someone somebody anyone who
everyone everybody individual pedestrian rider cyclist bicyclist biker motorcyclist motorist driver
surfer skater skateboarder rollerblader skier snowboarder wakeboarder kitesurfer windsurfer
paraglider parachutist skydiver hang-glider paratrooper glider-pilot pilot dancer ballerina
breakdancer b-boy bboy player athlete runner jogger sprinter walker hiker climber mountaineer jumper
gymnast acrobat swimmer diver rower sailor fisherman fisher hunter farmer shepherd cowboy jockey
equestrian horseman horsewoman soldier officer police policeman policewoman cop guard fireman
firefighter worker workman builder cook chef waiter waitress barista vendor seller shopper customer
tourist visitor passenger commuter student pupil teacher coach referee umpire judge goalkeeper
goalie batsman batter pitcher catcher bowler boxer wrestler fighter fencer karateka golfer musician
guitarist drummer pianist violinist singer performer juggler clown actor actress model bride groom
wife husband mother father mom mum dad daddy mommy mama papa brother sister son daughter grandmother
grandfather grandma grandpa friend partner owner neighbor neighbour doctor nurse scientist engineer
king queen prince princess stranger spectator onlooker bystander fan racer traceur parkourist
freerunner speaker presenter reporter cameraman photographer painter artist folks member opponent
thief robber senior elder twin handler trainer rancher matador toreador stuntman skipper captain
canoeist kayaker paddler superhero santa male female
motocrosser priest monk nun astronaut bartender pirate sportsman competitor contestant
bicycler carpenter gardener cleaner hero villain boss colleague classmate roommate
nanny pensioner veteran sailor athlete hairdresser barber dealer merchant magician mechanic
"""

_SYNONYMS: Mapping[str, str] = {
    "person": _PERSON,
    "bicycle": "bike cycle tricycle bmx pushbike velocipede tandem unicycle ebike mountain-bike",
    "car": """automobile auto suv sedan taxi cab hatchback coupe convertible limousine limo roadster
        racecar minivan jeep sportscar jeepney station-wagon supercar cabriolet vw beetle-car
        crossover drifter hearse""",
    "motorcycle": """motorbike scooter moped vespa motocross dirtbike dirt-bike
        motocross-bike motor-cross-bike trial-bike quad-bike motor-bike
        motor-cycle motor-scooter chopper-bike minibike superbike""",
    "airplane": """aeroplane plane aircraft jet airliner glider helicopter seaplane biplane jetliner
        warplane fighter-jet sailplane chopper drone""",
    "bus": "coach-bus minibus omnibus trolleybus schoolbus double-decker",
    "train": "tram locomotive subway metro streetcar monorail railcar trolley-car wagon",
    "truck": """lorry pickup pickup-truck van fire-engine tanker camper ambulance firetruck dumper
        trailer rv motorhome semi bulldozer excavator digger""",
    "boat": """ship sailboat canoe kayak raft dinghy yacht ferry gondola speedboat motorboat rowboat
        vessel barge catamaran tugboat tug submarine jetski jet-ski hovercraft sailing-boat cruiser
        steamer warship lifeboat paddleboat""",
    "traffic light": "stoplight traffic-signal semaphore streetlight-signal",
    "fire hydrant": "hydrant",
    "stop sign": "stopsign",
    "bench": "pew",
    "bird": """
        swan goose duck flamingo duckling gosling cygnet pigeon dove seagull gull parrot
        eagle hawk falcon owl crow raven sparrow chicken hen rooster cock chick turkey
        peacock ostrich emu penguin pelican heron stork crane-bird robin finch magpie
        woodpecker hummingbird kingfisher vulture cockatoo parakeet budgie canary
        mallard drake songbird toucan albatross puffin waterbird waterfowl fowl poultry
        starling swallow budgerigar kiwi-bird
        """,
    "cat": "kitten kitty tomcat pussycat feline tabby",
    "dog": """puppy doggy doggie pup hound canine poodle labrador retriever terrier bulldog
        dachshund beagle husky collie corgi greyhound spaniel chihuahua pug dalmatian rottweiler
        shepherd-dog mutt doberman schnauzer mastiff pointer-dog sheepdog""",
    "horse": "pony mare stallion foal colt filly bronco mustang donkey mule",
    "sheep": "lamb ram ewe",
    "cow": "cattle bull calf ox heifer buffalo bison yak steer bovine",
    "elephant": "mammoth",
    "bear": "grizzly panda cub polar-bear",
    "backpack": "rucksack knapsack schoolbag",
    "umbrella": "parasol",
    "handbag": "purse bag tote",
    "tie": "necktie bow-tie",
    "suitcase": "luggage briefcase trunk-case baggage",
    "frisbee": "flying-disc",
    "skis": "ski",
    "snowboard": "snow-board",
    "sports ball": """ball football soccer-ball basketball volleyball baseball tennis-ball
        golf-ball beachball""",
    "baseball bat": "bat",
    "baseball glove": "mitt baseball-mitt",
    "skateboard": "longboard skate-board",
    "surfboard": "paddleboard wakeboard surf-board bodyboard sailboard",
    "tennis racket": "racket racquet tennis-racquet badminton-racket",
    "bottle": "flask",
    "wine glass": "goblet wineglass glass",
    "cup": "mug tumbler beaker teacup",
    "knife": "blade dagger",
    "spoon": "ladle teaspoon",
    "bowl": "basin",
    "sandwich": "burger hamburger toast-sandwich panini",
    "hot dog": "hotdog sausage",
    "donut": "doughnut bagel",
    "cake": "cupcake pie pastry",
    "chair": "armchair stool seat wheelchair",
    "couch": "sofa settee loveseat",
    "potted plant": "plant houseplant pot-plant flowerpot",
    "bed": "mattress crib cot",
    "dining table": "table desk",
    "toilet": "loo lavatory",
    "tv": "television monitor screen tv-set television-set telly display",
    "laptop": "notebook-computer computer macbook",
    "mouse": "computer-mouse",
    "remote": "remote-control controller",
    "cell phone": "phone cellphone smartphone mobile mobile-phone telephone iphone",
    "oven": "stove cooker",
    "sink": "washbasin",
    "refrigerator": "fridge freezer",
    "book": "novel magazine textbook",
    "clock": "watch alarm-clock",
    "vase": "urn",
    "scissors": "shears scissor",
    "teddy bear": "teddy plush-bear stuffed-animal stuffed-bear",
    "hair drier": "hair-dryer hairdryer blow-dryer hairdrier",
    "orange": "mandarin tangerine clementine",
}


@dataclass(frozen=True)
class Kind:
    """A kind of thing that COCO lacks a class for, or has several of."""

    label: str
    """What it is called in a target: `animal`."""
    weights: Mapping[str, float]
    """Class name -> factor on that class's scores, in (0, 1]."""
    words: str
    """The nouns that mean it, in the singular; `-` joins the words of a compound."""


def _all(names: tuple[str, ...], weight: float = 1.0) -> dict[str, float]:
    return dict.fromkeys(names, weight)


KINDS: tuple[Kind, ...] = (
    Kind(
        "four-legged animal",
        _all(coco.MAMMALS) | {"bird": 0.5},
        """camel goat deer rhino rhinoceros hippo hippopotamus llama alpaca antelope gazelle elk
        moose reindeer caribou buck doe stag fawn kid-goat ibex pig hog boar piglet sow swine lion
        lioness tiger leopard cheetah panther jaguar lynx puma cougar wolf fox coyote jackal hyena
        kangaroo wallaby koala monkey ape gorilla chimpanzee chimp orangutan baboon rabbit bunny
        hare squirrel rat hamster guinea-pig hedgehog raccoon badger otter beaver weasel ferret
        skunk sloth anteater okapi wildebeest impala dromedary mammal livestock tapir armadillo
        capybara meerkat mongoose warthog cattle-like sea-lion seal walrus wolverine lemur porcupine
        prairie-dog mole chipmunk dingo bobcat quadruped""",
    ),
    Kind(
        "animal",
        _all(coco.ANIMALS),
        """animal creature beast pet wildlife lizard gecko iguana chameleon snake python crocodile
        alligator turtle tortoise frog toad dinosaur dragon fish shark whale dolphin goldfish
        ray-fish octopus squid crab lobster insect spider butterfly bee snail reptile amphibian
        orca prey predator dog-like""",
    ),
    Kind(
        "land vehicle",
        _all(coco.LAND_VEHICLES) | {"boat": 0.5},
        """tractor carriage chariot rickshaw tuk-tuk quad atv tank forklift snowmobile combine
        dragster traffic""",
    ),
    Kind(
        "small vehicle",
        # To the network, what one sits on in the open is a bench or a boat.
        _all(("car", "truck", "motorcycle", "bicycle"))
        | _all(("bench", "boat", "chair", "skateboard"), 0.5),
        """kart go-kart gokart go-cart soapbox cart buggy sled sledge sleigh bobsled trolley pram
        stroller pushchair wheelbarrow baby-carriage shopping-cart golf-cart pedalo segway
        hoverboard""",
    ),
    Kind(
        "vehicle",
        _all(coco.VEHICLES),
        "vehicle transport conveyance craft machine",
    ),
    Kind(
        "airborne thing",
        {"kite": 1.0, "airplane": 0.8, "umbrella": 0.8, "bird": 0.5},
        "parachute parasail hangglider canopy balloon hot-air-balloon airship blimp paraglide sail",
    ),
    Kind("food", _all(coco.FOOD) | {"bowl": 0.5}, "food fruit meal snack dish vegetable dessert"),
    Kind("furniture", _all(coco.FURNITURE), "furniture"),
    Kind(
        "board",
        {"skateboard": 1.0, "surfboard": 1.0, "snowboard": 1.0, "skis": 0.5},
        "board",
    ),
    Kind(
        "object",
        _all(tuple(coco.IDS)),
        "object thing something item one anything everything target subject what",
    ),
)
"""Most specific first."""


def _table() -> Mapping[str, str]:
    table = {word: name for name, words in _SYNONYMS.items() for word in listed(words)}
    return MappingProxyType({word.replace("-", " "): name for word, name in table.items()})


def _kind_table() -> Mapping[str, Kind]:
    table = {word.replace("-", " "): kind for kind in KINDS for word in listed(kind.words)}
    return MappingProxyType(table)


SYNONYMS = _table()
"""Noun (singular, words joined by blanks) -> class name."""

KIND_OF = _kind_table()
"""Noun -> the kind that it is."""

PERSON_ENDINGS = listed(
    "boarder surfer rider player dancer driver skater skier jumper walker runner climber diver "
    "fighter keeper worker racer glider swimmer person man woman boy girl cyclist biker"
)
"""Endings that make a person of an unknown noun: `wakesurfer`, `handyman`, `bullfighter`."""

ANCHORS = (
    *coco.IDS,
    *listed(
        "man woman child worker athlete musician performer soldier camel deer lion monkey rabbit "
        "pig rat lizard snake fish insect turtle whale kangaroo animal vehicle tractor cart "
        "parachute balloon helicopter ship canoe van motorbike scooter tram puppy kitten pony calf "
        "swan chicken duck eagle penguin food fruit meal sofa television phone computer table "
        "plant mug bag luggage racket ball furniture"
    ),
)
"""Known nouns that an embedding compares unknown ones with: few and plain, for rare ones such as
`catcher` attract whatever sounds alike."""

NO_CLASS = listed(
    """wall floor ceiling roof door window house building tower bridge road street path track field
    grass tree forest flower leaf rock stone mountain hill river lake sea ocean water beach sand
    snow ice sky cloud sun moon star shadow light fire smoke air wind rain fence pole post banner
    flag poster statue ramp stairs ladder rope net goal hoop wheel tire engine helmet hat shirt
    jeans dress jacket shoe glove sock ring necklace watch hand face head leg arm foot tail paw
    wing hair eye guitar piano violin drum microphone camera lamp pillow blanket curtain carpet
    mirror painting picture box barrel bucket basket container tool hammer stick sword gun pen
    pencil paper newspaper coin toy doll robot game sport dance music sound party race competition
    parkour gym park garden farm city village room kitchen country time day night idea word number
    colour shape line corner side dust mud ground pavement trampoline slide swing wire pipe metal
    wood glass plastic beer juice milk tea coffee"""
)
"""Nouns that are none of the classes and no kind of them."""
