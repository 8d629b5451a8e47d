"""The world of the sample data set: its departments, kinds of products and brands. All invented."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of product.

    Attributes:
        category: its name in the catalogue.
        noun: what one is called in a title.
        variants: words that tell products of the kind apart.
        traits: what descriptions and reviews say of them.
        colour: main colour of the picture, RGB.
        picture: drawing on a 32 x 32 grid, one stroke a comma. A stroke is an ink (``main``, ``dark``, ``pale``, or
            ``brand`` for the colour of the brand) and a shape: ``box x0 y0 x1 y1``, ``disc x y radius`` or
            ``line x0 y0 x1 y1 width``.
        then: categories bought next, the likeliest first.
    """

    category: str
    noun: str
    variants: tuple[str, ...]
    traits: tuple[str, ...]
    colour: tuple[int, int, int]
    picture: str
    then: tuple[str, str]


class Department(NamedTuple):
    """A department: its brands, from the cheapest to the dearest, and its kinds."""

    name: str
    brands: tuple[str, str, str, str]
    kinds: tuple[Kind, ...]


BRAND_COLOURS = ((222, 184, 48), (60, 160, 84), (48, 112, 200), (176, 40, 56))  # cheapest to dearest

DEPARTMENTS = (
    Department("Photography", ("Snapwell", "Lumora", "Fjordline", "Hartwig & Roe"), (
        Kind("Mirrorless Cameras", "Mirrorless Camera", ("Compact", "4K", "Travel", "Full-Frame"),
             ("stabilised sensor", "quick autofocus", "tilting touchscreen", "weather-sealed body", "silent shutter"),
             (52, 54, 60),
             "main box 3 11 28 26, dark box 11 7 20 11, dark disc 16 18 7, pale disc 16 18 3, brand box 23 13 26 15",
             ("Tripods", "Camera Bags")),
        Kind("Tripods", "Tripod", ("Carbon", "Travel", "Tabletop", "Video"),
             ("ball head locks firmly", "folding legs", "rubber feet", "quick-release plate", "bubble level"),
             (84, 92, 104),
             "brand box 12 3 19 7, main line 16 8 16 20 2, main line 16 10 5 29 2, main line 16 10 27 29 2",
             ("Camera Bags", "Lens Filters")),
        Kind("Camera Bags", "Camera Backpack", ("Canvas", "Sling", "Waxed", "Roll-Top"),
             ("padded dividers", "rain cover", "laptop sleeve", "side access", "breathable straps"),
             (122, 112, 62),
             "dark box 12 3 19 8, main box 6 7 25 28, brand box 9 17 22 25, pale line 9 13 22 13 1",
             ("Lens Filters", "Head Torches")),
        Kind("Lens Filters", "Lens Filter", ("Polarising", "ND8", "UV", "Graduated"),
             ("coated optical glass", "slim ring", "cuts glare", "knurled edge", "no vignetting"),
             (120, 80, 160),
             "dark disc 16 16 13, brand disc 16 16 12, main disc 16 16 10, pale line 11 13 15 9 2",
             ("Mirrorless Cameras", "Tripods")),
    )),
    Department("Musical Instruments", ("Busker", "Tonewell", "Marlowe", "Serrano"), (
        Kind("Acoustic Guitars", "Acoustic Guitar", ("Parlour", "Dreadnought", "Cutaway", "Concert"),
             ("spruce top", "rosewood fretboard", "warm tone", "low action", "bone nut"),
             (196, 128, 56),
             "main disc 11 21 9, main disc 17 15 6, dark line 16 16 27 5 3, dark disc 13 19 3, brand box 25 2 29 6",
             ("Guitar Strings", "Clip-On Tuners")),
        Kind("Guitar Strings", "Guitar String Set", ("Light", "Phosphor Bronze", "Nylon", "Medium"),
             ("bright sound", "resists corrosion", "wound by hand", "stays in tune", "smooth under the fingers"),
             (206, 206, 212),
             "main box 5 5 26 26, brand box 5 5 26 10, dark line 8 14 23 14 1, dark line 8 18 23 18 1, "
             "dark line 8 22 23 22 1",
             ("Clip-On Tuners", "Guitar Straps")),
        Kind("Guitar Straps", "Guitar Strap", ("Leather", "Woven", "Suede", "Cotton"),
             ("adjustable length", "soft lining", "stitched ends", "wide shoulder", "vintage pattern"),
             (140, 60, 44),
             "main line 4 28 14 10 5, main line 14 10 28 5 5, brand line 7 24 13 13 1, dark disc 28 5 2, "
             "dark disc 4 28 2",
             ("Guitar Strings", "Acoustic Guitars")),
        Kind("Clip-On Tuners", "Clip-On Tuner", ("Chromatic", "Rechargeable", "Mini", "Bright-View"),
             ("colour display", "swivel arm", "reads in noisy rooms", "long battery life", "vibration sensor"),
             (40, 40, 44),
             "main disc 16 12 10, pale disc 16 12 7, brand line 16 13 20 7 2, dark box 14 21 17 27, "
             "dark box 9 26 22 29",
             ("Guitar Straps", "Guitar Strings")),
    )),
    Department("Workshop", ("Handyside", "Torqline", "Brennick", "Steinhof"), (
        Kind("Cordless Drills", "Cordless Drill", ("12V", "18V", "Hammer", "Brushless"),
             ("two-speed gearbox", "keyless chuck", "spare battery", "strong torque", "work light"),
             (232, 120, 32),
             "main box 7 7 22 14, dark box 22 8 29 12, main box 9 14 14 24, dark box 6 24 17 28, brand box 10 9 18 11",
             ("Drill Bits", "Safety Glasses")),
        Kind("Drill Bits", "Drill Bit Set", ("Titanium", "Masonry", "Cobalt", "Wood"),
             ("hardened steel", "clear size marks", "starts without wandering", "hex shank", "indexed case"),
             (150, 150, 156),
             "dark box 3 23 28 28, main box 6 5 8 23, main box 12 8 14 23, main box 18 11 20 23, main box 24 14 26 23, "
             "brand box 3 25 28 26",
             ("Safety Glasses", "Tool Boxes")),
        Kind("Safety Glasses", "Safety Glasses", ("Anti-Fog", "Tinted", "Wraparound", "Over-Spec"),
             ("scratch-resistant lenses", "soft nose piece", "side protection", "adjustable temples", "wide view"),
             (236, 214, 70),
             "dark line 2 12 30 12 2, main disc 9 17 7, main disc 23 17 7, pale disc 9 16 4, pale disc 23 16 4, "
             "brand box 14 13 18 15",
             ("Tool Boxes", "Drill Bits")),
        Kind("Tool Boxes", "Tool Box", ("Steel", "Rolling", "Stackable", "Cantilever"),
             ("metal latches", "lift-out tray", "lockable lid", "sturdy handle", "water-tight seal"),
             (190, 40, 36),
             "dark box 11 5 20 7, dark box 11 5 12 11, dark box 19 5 20 11, main box 3 11 28 27, brand box 3 17 28 18, "
             "pale box 14 16 17 21",
             ("Cordless Drills", "Camp Stoves")),
    )),
    Department("Kitchen", ("Homely", "Copperleaf", "Nordvik", "Maison Aubert"), (
        Kind("Chef's Knives", "Chef's Knife", ("8-Inch", "Santoku", "Damascus", "6-Inch"),
             ("high-carbon steel", "balanced in the hand", "full tang", "holds its edge", "riveted handle"),
             (132, 142, 158),
             "main line 4 17 19 17 7, main line 2 15 19 15 3, dark line 20 16 29 16 4, brand disc 23 16 1, "
             "brand disc 27 16 1",
             ("Cutting Boards", "Sharpening Stones")),
        Kind("Cutting Boards", "Cutting Board", ("Maple", "Bamboo", "End-Grain", "Walnut"),
             ("juice groove", "kind to blades", "oiled surface", "non-slip feet", "carved grips"),
             (214, 172, 112),
             "main box 2 8 29 25, dark box 2 13 29 13, dark box 2 20 29 20, pale disc 25 16 2, brand box 4 22 9 23",
             ("Sharpening Stones", "Cast Iron Pans")),
        Kind("Sharpening Stones", "Whetstone", ("1000/6000", "Diamond", "Ceramic", "400/1000"),
             ("two grits", "angle guide", "bamboo base", "soaks in minutes", "cuts fast and even"),
             (104, 140, 150),
             "dark box 2 21 29 26, main box 4 15 27 21, pale box 4 11 27 15, brand box 4 22 9 25",
             ("Chef's Knives", "Cast Iron Pans")),
        Kind("Cast Iron Pans", "Cast Iron Skillet", ("10-Inch", "12-Inch", "Grill", "Enamelled"),
             ("seasoned with oil", "holds the heat", "pour spouts", "goes into the oven", "helper handle"),
             (44, 40, 40),
             "main disc 12 19 11, brand disc 12 19 9, main disc 12 19 8, main line 18 13 29 3 4",
             ("Cutting Boards", "Camp Stoves")),
    )),
    Department("Camping", ("Trailmate", "Ridgeway", "Northcairn", "Alta Via"), (
        Kind("Tents", "Tent", ("2-Person", "Dome", "Ultralight", "4-Person"),
             ("taped seams", "aluminium poles", "pitches in minutes", "roomy porch", "mesh inner"),
             (56, 140, 70),
             "main line 16 5 4 27 3, main line 16 5 28 27 3, main line 16 9 9 26 4, main line 16 9 23 26 4, "
             "main box 8 20 24 27, dark line 16 15 16 27 5, brand box 13 3 19 5",
             ("Sleeping Bags", "Head Torches")),
        Kind("Sleeping Bags", "Sleeping Bag", ("Down", "3-Season", "Mummy", "Summer"),
             ("draught collar", "two-way zip", "packs small", "warm to freezing", "stuff sack"),
             (36, 72, 160),
             "main disc 16 9 8, main box 9 9 23 20, main disc 16 21 7, pale disc 16 8 4, brand line 16 14 16 27 1",
             ("Head Torches", "Camp Stoves")),
        Kind("Head Torches", "Head Torch", ("300 Lumen", "Rechargeable", "Running", "Waterproof"),
             ("red night light", "tilting lamp", "elastic band", "long beam", "lock against turning on"),
             (230, 90, 40),
             "dark line 2 8 16 15 4, dark line 30 8 16 15 4, main box 9 11 22 23, pale disc 16 17 5, "
             "brand box 9 24 22 25",
             ("Camp Stoves", "Tents")),
        Kind("Camp Stoves", "Camp Stove", ("Gas", "Folding", "Wind-Proof", "Titanium"),
             ("piezo lighter", "steady pot supports", "simmers well", "boils fast", "folds into a pouch"),
             (90, 164, 190),
             "dark line 6 7 26 7 2, dark box 14 8 17 14, brand box 10 13 21 15, main disc 16 22 8, main box 8 22 24 29",
             ("Tents", "Cast Iron Pans")),
    )),
    Department("Home Office", ("Deskly", "Plainform", "Keystone", "Oberon"), (
        Kind("Mechanical Keyboards", "Mechanical Keyboard", ("Tenkeyless", "60%", "Low-Profile", "Backlit"),
             ("tactile switches", "hot-swappable keys", "solid base", "sturdy keycaps", "detachable cable"),
             (70, 74, 92),
             "main box 1 10 30 24, pale box 4 12 27 13, pale box 4 16 27 17, brand box 8 20 23 21",
             ("Wireless Mice", "Monitor Stands")),
        Kind("Wireless Mice", "Wireless Mouse", ("Ergonomic", "Silent", "Vertical", "Slim"),
             ("precise sensor", "side buttons", "free-spinning wheel", "pairs with three computers", "textured grip"),
             (154, 158, 170),
             "main disc 16 12 8, main box 8 12 24 20, main disc 16 21 8, dark line 16 4 16 15 1, brand box 15 8 17 12",
             ("Monitor Stands", "Desk Lamps")),
        Kind("Monitor Stands", "Monitor Stand", ("Oak", "Dual", "Gas-Spring", "Height-Adjustable"),
             ("cable channel", "lifts the screen to eye level", "drawer for pens", "steel frame", "clamp mount"),
             (170, 116, 72),
             "dark box 4 3 27 17, pale box 6 5 25 15, main box 14 18 17 24, main box 5 24 26 27, brand box 5 28 8 30",
             ("Desk Lamps", "Mechanical Keyboards")),
        Kind("Desk Lamps", "Desk Lamp", ("LED", "Swing-Arm", "Clamp", "Dimmable"),
             ("warm and cool light", "touch control", "bends where needed", "heavy base", "no flicker"),
             (244, 200, 96),
             "dark line 9 27 13 13 2, dark line 13 13 21 6 2, main line 18 5 25 11 6, pale disc 25 13 3, "
             "brand box 3 26 16 29",
             ("Wireless Mice", "Clip-On Tuners")),
    )),
)  # fmt: skip
