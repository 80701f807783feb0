/* animals.c - plots about animals, who speak. */
#include "stories/rules.h"

static const char *const beasts[] = {"Benny/he/his/him/rabbit",
                                     "Bella/she/her/her/bunny",
                                     "Bob/he/his/him/bear",
                                     "Daisy/she/her/her/duck",
                                     "Fred/he/his/him/frog",
                                     "Kitty/she/her/her/cat",
                                     "Spot/he/his/him/dog",
                                     "Polly/she/her/her/bird",
                                     "Momo/he/his/him/monkey",
                                     "Tilly/she/her/her/turtle",
                                     "Remy/he/his/him/mouse",
                                     "Foxy/she/her/her/fox",
                                     "Sammy/he/his/him/squirrel",
                                     "Olive/she/her/her/owl",
                                     "Percy/he/his/him/pig",
                                     "Ellie/she/her/her/elephant",
                                     NULL};

const struct rule grammar_animal_plots[] = {
    {"animals",
     LIST("{hungry}", "{race}", "{lostbaby}", "{mean}", "{lonely}", "{storm}", "{song}", "{wish}"),
     NULL, true, NULL, 0, 0, 0},
    {"beast", beasts, "name/he/his/him/kind", true, "animals", 2, 0, 2},
    {"pal", beasts, "name/he/his/him/kind", true, "beast", 1, 7, 1},

    PLOT("meet",
         "Once upon a time, there was a {kind} {beast.kind} named {beast}. {Beast} lived in the "
         "[forest|woods|"
         "green meadow].",
         "Once upon a time, in a [big|quiet] forest, there lived a {kind} {beast.kind} named "
         "{beast}.",
         "There was a {kind} {beast.kind}. {Beast.his} name was {beast}. {Beast} lived near a "
         "[river|big tree|pond]."),
    PLOT("palsend", "{Beast} and {pal} became best friends.",
         "{Beast} and {pal} were friends forever.",
         "And {beast} and {pal} lived happily ever after.", "They played together every day.",
         "{Beast} and {pal} were {glad}.", "From that day on, {beast} was never alone again."),

    PLOT("hungry", "{meet} {Beast.he} loved to eat {fruit}.~[When winter came|One cold day], there "
                   "was no food. {Beast} was "
                   "very hungry. [{Beast.he} looked and looked, but there was only "
                   "snow.|{Beast.he} looked everywhere for "
                   "{fruit}.] Then {beast} met a {pal.kind} named {pal}. {Pal} had a big pile of "
                   "{fruit}.~\"[I am so hungry|I "
                   "have nothing to eat],\" said {beast}. \"Can I have some {fruit}, please?\" "
                   "{Pal} thought for a moment. \"[Yes, "
                   "we can share|Of course you can]!\" said {pal}. {Beast} ate the {fruit} and "
                   "felt warm and full. \"Thank you, "
                   "{pal}. [You saved me|You are a good friend],\" said {beast}.~[In the "
                   "spring|When the sun came back], {beast} "
                   "found a [tree full of|bush full of] {fruit}. {Beast} gave half of them to "
                   "{pal}. \"You helped me, so now I "
                   "help you,\" said {beast}. {palsend}"),

    PLOT("race", "{meet} {Beast} could run very fast. [{Beast.he} told everyone about "
                 "it.|{Beast.he} thought {beast.he} was the "
                 "best.]~{day} {beast} met a {pal.kind} named {pal}. \"You are so slow!\" laughed "
                 "{beast}. \"[I may be slow, but "
                 "I never give up|Let's have a race],\" said {pal}. All the animals came to watch. "
                 "\"One, two, three, go!\" said "
                 "the owl.~{Beast} ran fast and was soon far ahead. \"[I have so much time|I will "
                 "win],\" said {beast}. {Beast.he} "
                 "[sat down under a tree and fell asleep|stopped to eat some {fruit}]. But {pal} "
                 "went on, step by step. When "
                 "{beast} [woke up|looked up], {pal} was at the end of the road. {Pal} won the "
                 "race!~All the animals clapped. "
                 "{Beast} was {sad}, but said, \"[You did well, {pal}|I am sorry I laughed at "
                 "you].\" {Pal} smiled. {Beast} "
                 "learned [not to laugh at others|that it is good to keep trying]. {palsend}"),

    PLOT("lostbaby", "{meet}~{day} {beast} went for a walk and [chased a butterfly|followed a "
                     "{color} butterfly]. {Beast} went "
                     "farther and farther. [Soon|Then] {beast.he} was lost! \"Where is my mom? I "
                     "want to go home,\" cried "
                     "{beast}.~A {pal.kind} named {pal} heard {beast} cry. \"Why are you crying?\" "
                     "asked {pal}. \"I am lost. I can't "
                     "find my mom,\" said {beast}. \"[I will help you find her|Come with me]!\" "
                     "said {pal}. They looked [behind the "
                     "hill|near the river], but she was not there. They looked [in the tall "
                     "grass|by the old tree], but she was not "
                     "there.~Then they heard a voice. \"{Beast}! {Beast}! Where are you?\" It was "
                     "{beast}'s mom! {Beast} ran to her "
                     "and she gave {beast.him} a big hug. \"[I was so worried|Never go so far away "
                     "again],\" she said. \"{Pal} helped "
                     "me,\" said {beast}. \"Thank you, {pal}!\" said {beast}'s mom. {palsend}"),

    PLOT("mean", "{meet} But {beast} was not nice. [{Beast.he} took food from the other "
                 "animals.|{Beast.he} said mean things to "
                 "the other animals.] So [nobody wanted to play with {beast}|{beast} had no "
                 "friends].~{day} {beast} [fell into a "
                 "deep hole|got stuck in a bush|got stuck in the mud]. \"Help! Help!\" cried "
                 "{beast}. [Nobody came.|The other "
                 "animals heard it, but they walked away.] Then a {pal.kind} named {pal} came by. "
                 "\"[I will help you|Take this "
                 "stick],\" said {pal}. {Pal} pulled and pulled, and {beast} was free.~\"Why did "
                 "you help me? I was mean to "
                 "you,\" said {beast}. \"[Because everyone needs help sometimes|Because it is good "
                 "to be kind],\" said {pal}. "
                 "{Beast} felt bad. \"I am sorry. I want to be nice now,\" said {beast}. After "
                 "that, {beast} [shared {fruit} with "
                 "everyone|was kind to all the animals]. {palsend}"),

    PLOT("lonely", "{meet} {Beast} had no one to play with and was very lonely.~{day} {beast} sat "
                   "by the [pond|river] and saw a "
                   "{color} [leaf|flower|stone]. \"I wish I had a friend,\" said {beast}. \"[I can "
                   "be your friend|Hello there]!\" "
                   "said a small voice. It was a {pal.kind} named {pal}. \"[I am lonely too|I want "
                   "a friend too],\" said "
                   "{pal}.~{Beast} was so happy. \"[What do you like to do|Do you want to play]?\" "
                   "asked {beast}. \"I like to [play "
                   "hide and seek|jump in the leaves|sing songs],\" said {pal}. So they did it "
                   "together. [They laughed all day.|It "
                   "was so much fun.] When they were hungry, they ate {fruit} [under a big tree|in "
                   "the sun].~[When the sun went "
                   "down|At night], {pal} said, \"[See you tomorrow, {beast}|I am glad I met "
                   "you].\" {Beast} went home with a big "
                   "smile. {palsend}"),

    PLOT("storm", "{meet} {Beast} had a small house made of [leaves|sticks|grass].~[One night|One "
                  "day], there was a big storm. The "
                  "wind blew and blew. The rain fell hard. [Crash!|Whoosh!] {Beast}'s house was "
                  "gone! {Beast} was cold and wet and "
                  "{sad}. {Beast} walked in the rain until {beast.he} saw a light. It was the "
                  "house of a {pal.kind} named "
                  "{pal}.~{Beast} knocked on the door. \"[Please, can I come in|May I stay here "
                  "tonight]? My house is gone,\" said "
                  "{beast}. \"[Come in, come in|Of course]!\" said {pal}. {Pal} gave {beast} a "
                  "warm blanket and hot soup. [They "
                  "told stories by the fire.|They listened to the rain together.]~The next "
                  "morning, the sun was bright. \"[I will "
                  "help you build a new house|Let's build a strong house],\" said {pal}. They "
                  "worked all day and made a [strong|"
                  "big] house of wood. \"Thank you, {pal},\" said {beast}. {palsend}"),

    PLOT("song", "{meet} {Beast} loved to sing. But {beast.he} was shy and [only sang at "
                 "night|only sang when nobody was "
                 "there].~{day} a {pal.kind} named {pal} heard {beast} sing. \"[What a beautiful "
                 "song|You sing so well]!\" said "
                 "{pal}. {Beast} [hid behind a tree|turned red]. \"[Please don't stop|Please sing "
                 "for all of us],\" said {pal}. "
                 "\"[I can't do it, they will laugh|What if they laugh at me]!\" said {beast}. \"I "
                 "will stand next to "
                 "you,\" said {pal}.~That night, all "
                 "the animals came together. {Beast} looked at {pal}, and {pal} smiled. {Beast} "
                 "[took a deep breath|closed "
                 "{beast.his} eyes] and began to sing. It was a song about [the moon|the stars|a "
                 "{color} flower]. All the animals "
                 "[listened and danced|clapped and cheered].~\"I did it!\" said {beast}. \"I knew "
                 "you could do it,\" said {pal}. "
                 "{Beast} was not shy anymore. {palsend}"),

    PLOT("wish", "{meet} {Beast} wanted to [fly like a bird|touch the moon|swim like a "
                 "fish].~{day} {beast} saw a star fall from "
                 "the sky. It landed {spot}. {Beast} found a {color} stone. \"It is a magic "
                 "stone!\" said a {pal.kind} named "
                 "{pal}. \"You can make one wish.\" {Beast} thought and thought. [Then {beast} saw "
                 "that {pal} had a hurt leg.|Then "
                 "{beast} saw that {pal} was crying.] \"What is wrong, {pal}?\" asked {beast}. "
                 "\"[I am hurt and can't walk home|My "
                 "mom is sick],\" said {pal}.~{Beast} held the stone and said, \"I wish that {pal} "
                 "will be happy again.\" The stone "
                 "began to shine. Then everything was well again! \"You used your wish for me?\" "
                 "asked {pal}. \"Yes. [You are more "
                 "important than my wish|You are my friend],\" said {beast}.~{Beast} learned that "
                 "[being kind is real magic|helping "
                 "a friend is better than any wish]. {palsend}"),
};
const size_t grammar_n_animal_plots = ARRAY_LEN(grammar_animal_plots);
