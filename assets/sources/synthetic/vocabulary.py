"""The words of the synthetic world: categories, things that can be shown, and what can be done to them.

See `world` for the choice of words per task and video, and `sprites` for the looks of a thing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """A verb in the four forms that narration, descriptions and questions need."""

    base: str
    third: str
    past: str
    gerund: str


@dataclass(frozen=True)
class Category:
    """A top-level category with the words its titles are made of.

    ``nouns`` are keyed by second-level category. ``weight`` is the number of tasks that HowTo100M has there
    (arXiv 1906.03327, table of categories).
    """

    name: str
    weight: int
    verbs: tuple[str, ...]
    adjectives: tuple[str, ...]
    nouns: dict[str, tuple[str, ...]]


def _category(name: str, weight: int, verbs: str, adjectives: str, **nouns: str) -> Category:
    return Category(
        name,
        weight,
        tuple(verbs.split()),
        tuple(adjectives.split()),
        {second.replace("_", " "): tuple(words.split()) for second, words in nouns.items()},
    )


SHAPES = (
    *("plate", "bowl", "box", "plank", "tent", "kite", "star", "croissant", "tyre", "wheel"),
    *("gear", "ladder", "bottle", "mug", "leaf", "mushroom", "hammer", "key", "fork", "fish"),
)
TEXTURES = ("plain", "striped", "dotted", "checked", "wavy")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 30, 36),
    "orange": (245, 130, 20),
    "yellow": (250, 220, 30),
    "green": (30, 150, 50),
    "turquoise": (40, 205, 200),
    "blue": (30, 70, 215),
    "purple": (125, 40, 170),
    "pink": (250, 130, 185),
    "white": (245, 245, 245),
    "black": (22, 22, 24),
}
ACTIONS = {
    action.base: action
    for action in (
        Action("stir", "stirs", "stirred", "stirring"),
        Action("chop", "chops", "chopped", "chopping"),
        Action("saw", "saws", "sawed", "sawing"),
        Action("spin", "spins", "spun", "spinning"),
        Action("inflate", "inflates", "inflated", "inflating"),
        Action("shake", "shakes", "shaken", "shaking"),
        Action("rinse", "rinses", "rinsed", "rinsing"),
        Action("roll", "rolls", "rolled", "rolling"),
        Action("flip", "flips", "flipped", "flipping"),
        Action("swing", "swings", "swung", "swinging"),
        Action("lift", "lifts", "lifted", "lifting"),
        Action("squeeze", "squeezes", "squeezed", "squeezing"),
    )
}

CATEGORIES = (
    _category(
        "Food and Entertaining",
        11504,
        "Make Cook Bake Grill Decorate Freeze",
        "Simple Spicy Sweet Vegan Crispy Stuffed Fresh Layered",
        Baking="Cake Muffin Pie Bagel",
        Recipes="Soup Omelette Burger Curry",
        Drinks="Smoothie Milkshake Lemonade Cocktail",
        Parties="Buffet Picnic Sandwich Snack",
    ),
    _category(
        "Home and Garden",
        5068,
        "Build Clean Paint Install Repair Remove",
        "Wooden Small Rusty Stained Metal Modern Heavy Dusty",
        Furniture="Chair Table Shelf Cabinet",
        Gardening="Hedge Greenhouse Planter Lawn",
        Cleaning="Carpet Oven Window Bathtub",
        Repairs="Tap Door Fence Gutter",
    ),
    _category(
        "Hobbies and Crafts",
        4273,
        "Make Knit Sew Fold Carve Glue",
        "Tiny Colourful Woollen Origami Knotted Felt Beaded Recycled",
        Needlework="Scarf Quilt Mitten Blanket",
        Paper="Crane Lantern Card Envelope",
        Woodwork="Whistle Birdhouse Spoon Puppet",
        Jewellery="Bracelet Necklace Brooch Earring",
    ),
    _category(
        "Cars & Other Vehicles",
        810,
        "Change Wash Replace Repair Polish Install",
        "Leaking Worn Flat Cracked Noisy Broken Old Dirty",
        Cars="Bumper Windscreen Headlight Radiator",
        Motorcycles="Clutch Exhaust Saddle Carburettor",
        Bicycles="Chain Pedal Brake Handlebar",
        Boats="Propeller Hull Sail Anchor",
    ),
    _category(
        "Pets and Animals",
        552,
        "Feed Bathe Groom Brush Carry Wash",
        "Playful Sleepy Hungry Nervous Young Fluffy Muddy Stubborn",
        Dogs="Puppy Poodle Beagle Terrier",
        Cats="Kitten Siamese Tabby Persian",
        Birds="Parrot Canary Duckling Chicken",
        Rodents="Hamster Rabbit Gerbil Ferret",
    ),
    _category(
        "Holidays and Traditions",
        411,
        "Make Carve Decorate Hang Wrap Build",
        "Festive Giant Glittering Handmade Scary Traditional Edible Golden",
        Christmas="Wreath Stocking Bauble Garland",
        Halloween="Pumpkin Skeleton Ghost Cauldron",
        Easter="Egg Bunny Bonnet Basket",
        Weddings="Bouquet Veil Centrepiece Invitation",
    ),
    _category(
        "Personal Care and Style",
        181,
        "Braid Cut Trim Apply Wash Dye",
        "Loose Neat Elegant Messy Short Long Glossy Vintage",
        Hair="Ponytail Fringe Bun Wig",
        Nails="Manicure Fingernail Pedicure Toenail",
        Make_up="Lipstick Eyeliner Foundation Concealer",
        Fashion="Shirt Skirt Jacket Tie",
    ),
    _category(
        "Sports and Fitness",
        205,
        "Throw Kick Catch Hit Tape Inflate",
        "Fast High Curved Slow Heavy Soft Perfect Long",
        Ball_sports="Football Basketball Volleyball Softball",
        Racket_sports="Serve Smash Backhand Shuttlecock",
        Martial_arts="Punch Nunchaku Sandbag Shield",
        Athletics="Javelin Discus Hurdle Frisbee",
    ),
    _category(
        "Health",
        172,
        "Bandage Massage Wrap Clean Ice Tape",
        "Sprained Swollen Sore Stiff Blistered Bruised Tired Itchy",
        First_aid="Ankle Wrist Finger Elbow",
        Massage="Shoulder Neck Calf Foot",
        Skin="Cheek Heel Palm Knuckle",
        Exercise="Knee Thigh Hip Hamstring",
    ),
    _category(
        "Education and Communications",
        239,
        "Write Draw Make Build Measure Print",
        "Short Clear Large Folded Neat Tidy Illustrated Laminated",
        Writing="Letter Poster Notebook Booklet",
        Science="Volcano Microscope Telescope Compass",
        Mathematics="Abacus Protractor Cube Pyramid",
        Presenting="Flipchart Diagram Map Badge",
    ),
    _category(
        "Arts and Entertainment",
        138,
        "Draw Paint Play Tune Sculpt Build",
        "Realistic Cartoon Abstract Portable Acoustic Antique Tiny Bright",
        Drawing="Dragon Portrait Castle Horse",
        Music="Guitar Drum Flute Banjo",
        Theatre="Mask Costume Stage Curtain",
        Magic="Wand Cape Rabbit-hat Coin",
    ),
    _category(
        "Computers and Electronics",
        58,
        "Install Assemble Clean Replace Connect Solder",
        "Noisy Broken Wireless Dusty Cheap Slow Spare Tangled",
        Hardware="Keyboard Processor Heatsink Motherboard",
        Phones="Touchscreen Battery Charger Headset",
        Audio="Loudspeaker Microphone Amplifier Turntable",
        Networks="Router Antenna Cable Socket",
    ),
)

UNWANTED_CATEGORIES = (
    _category(
        "Relationships",
        1,
        "Write Meet Ask Invite Call Forgive",
        "Shy Old Distant Jealous Loyal Angry Close New",
        Dating="Partner Date Crush Admirer",
        Friendship="Friend Neighbour Roommate Rival",
    ),
    _category(
        "Finance and Business",
        1,
        "Open Write Calculate Sign Sell Buy",
        "Small Yearly Private Public Risky Cheap Joint Monthly",
        Banking="Account Loan Mortgage Cheque",
        Careers="Contract Budget Invoice Share",
    ),
    _category(
        "Philosophy and Religion",
        1,
        "Read Study Question Practise Pray Debate",
        "Ancient Modern Holy Moral Logical Famous Quiet Eastern",
        Philosophy="Paradox Argument Virtue Essay",
        Religion="Psalm Ritual Temple Prayer",
    ),
    _category(
        "Travel",
        1,
        "Book Plan Pack Choose Find Cancel",
        "Cheap Long Remote Sunny Guided Safe Quick Luxurious",
        Flights="Ticket Layover Airline Terminal",
        Hotels="Hostel Resort Cruise Visa",
    ),
)
ABSTRACT_VERBS = (
    *("Be", "Accept", "Feel", "Understand", "Believe", "Appreciate", "Trust", "Know", "Enjoy", "Consider"),
)


def with_article(noun_phrase: str) -> str:
    """The phrase behind "a" or "an"."""
    return f"{'an' if noun_phrase[0].lower() in 'aeiou' else 'a'} {noun_phrase}"
