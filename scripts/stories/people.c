/* people.c - plots about children and the grown-ups around them. */
#include "stories/rules.h"

const struct rule grammar_people_plots[] = {
    {"people",
     LIST("{losttoy}", "{share}", "{brave}", "{hurtanimal}", "{baking}", "{stuck}", "{truth}",
          "{rainyday}", "{learn}", "{treasure}", "{seed}", "{greedy}", "{warning}", "{newchild}",
          "{present}", "{oldneighbor}", "{building}", "{bedtime}", "{messyroom}", "{swing}",
          "{market}", "{drawing}", "{boat}", "{snowday}"),
     NULL, true, NULL, 0, 0, 0},

    PLOT("losttoy",
         "{once} {Hero} had a {color} {toy}. [{Hero.he} loved {hero.his} {toy} very much.|It was "
         "{hero.his} "
         "favorite toy.|{Hero.he} took the {toy} everywhere.]~{day} {hero} went to the {outside} "
         "with "
         "{hero.his} {toy}. {Hero} played and played. [But then|When it was time to go home], "
         "{hero} could "
         "not find the {toy}. {cried}~{Hero.his} {parent} came and asked, \"[What is wrong, "
         "{hero}?|Why are "
         "you sad, {hero}?]\" {Hero} said, \"I lost my {color} {toy}!\" {Hero.his} {parent} said, "
         "\"{comfort}. [Let's look for it together.|We will find it.]\"~They looked {wrongspot}, "
         "but the {toy} "
         "was not there. [They looked {wrongspot}, but it was not there.|They looked and looked.] "
         "Then they "
         "looked {spot}. [There it was!|There was the {color} {toy}!] \"[I found it!|Look, my "
         "{toy}!]\" said "
         "{hero}. {thanks} [From that day on, {hero} always took good care of the "
         "{toy}.|{happyend}]"),

    ONCE("need", "one/many", "no snack/was hungry", "no lunch/was very hungry",
         "nothing to eat/felt hungry"),
    PLOT("share",
         "{once} {likes}~{day} {hero} went to the {outside} with [two|three|some] {treat.many}. "
         "{Hero} saw a "
         "{friend.boy} named {friend}. {Friend} had {need} and {need.many}. [{Friend} looked "
         "{sad}.|{Friend} "
         "looked at the {treat.many}.]~{Hero} [thought for a moment|wanted to help|wanted to be "
         "kind]. "
         "\"Do you want [a {treat}|one of my {treat.many}]?\" asked {hero}. \"Yes, please!\" said "
         "{friend}. "
         "{Hero} gave {friend} a {treat}. They sat down [{spot}|together] and ate. [\"This is so "
         "good!\" said "
         "{friend}.|\"Thank you for sharing,\" said {friend}.|\"You are very kind,\" said "
         "{friend}.]~[After "
         "that|Then], {hero} and {friend} played [with a {color} {toy}|games|{outside.in}]. {Hero} "
         "learned that [sharing is fun|it is good to share|sharing makes everyone happy]. "
         "{friendsend}"),

    ONCE("fear", "thing/place/reason/act",
         "the dark/in the bedroom/The dark is only the day going to sleep/turned off the light",
         "the thunder/at home/The thunder is only a loud noise in the sky/looked out of the window",
         "the big slide/at the park/The slide is high, but it is safe/went down the slide",
         "the deep water/at the lake/The water will hold you up/jumped into the water",
         "the big dog/next door/The dog is friendly and wants to play/touched the dog",
         "the tall bridge/near the river/The bridge is very strong/walked over the bridge"),
    PLOT("brave", "{once} {Hero} was [afraid of|scared of] {fear}. [{Hero.he} did not want to be "
                  "scared.|It made "
                  "{hero.him} feel small.|{Hero.he} always ran away.]~{day} {hero} was "
                  "{fear.place} with {hero.his} "
                  "{parent}. [{Hero} saw {fear} and began to shake.|{Hero} held {hero.his} "
                  "{parent}'s hand.] \"I am "
                  "scared,\" said {hero}. {Hero.his} {parent} {hug}. \"{fear.reason},\" said "
                  "{hero.his} {parent}. \"[I "
                  "am here with you.|You can be brave.|You are safe with me.]\"~{Hero} [took a "
                  "deep breath|closed "
                  "{hero.his} eyes and counted to three|thought about it]. Then {hero.he} "
                  "{fear.act}. [Nothing bad "
                  "happened!|It was not scary at all!|It was fun!] \"I did it!\" said {hero}. \"I "
                  "am so proud of you,\" "
                  "said {hero.his} {parent}.~From that day on, {hero} was not afraid of {fear}. "
                  "[{Hero.he} was brave.|"
                  "{happyend}]"),

    OWNED("pet", "name/hurt/home", "bird/wing/tree", "kitten/leg/yard", "puppy/leg/farm",
          "rabbit/foot/forest", "duck/wing/pond", "squirrel/leg/tree"),
    PLOT("hurtanimal",
         "{once} {aside} {Hero} loved animals.~{day} {hero} was walking {outside.in}. {Hero} "
         "saw a little {pet} "
         "{spot}. The {pet} had a hurt {pet.hurt} and could not move. \"Oh no, poor "
         "{pet}!\" said {hero}. \"[I "
         "will help you.|Don't be scared.]\"~{Hero} picked up the {pet} [with soft "
         "hands|very slowly] and took "
         "it home. {Hero.his} {parent} looked at the {pet.hurt}. \"[It needs rest|We "
         "must be gentle],\" said "
         "{hero.his} {parent}. They made a warm bed in a box. [Every day|Each "
         "morning], {hero} gave the {pet} "
         "food and water.~[Soon|After a week], the {pet} was well again. {Hero} took "
         "the {pet} back to the "
         "{pet.home}. \"Goodbye, little {pet}!\" said {hero}. {Hero} was [a little "
         "sad, but also happy|{glad}]. "
         "[The next day, the {pet} came back to say hello.|The {pet} never forgot "
         "{hero}.|The {pet} came to "
         "visit {hero} every day.]"),

    OWNED("bake", "thing/need", "cake/eggs", "pie/apples", "banana bread/flour",
          "carrot cake/carrots", "pizza/cheese"),
    PLOT("baking", "{once} {aside} {Hero} loved to help {hero.his} {parent} in the kitchen.~{day} "
                   "{hero.his} {parent} said, "
                   "\"[Let's make a {bake}|Today we will make a {bake}], {hero}!\" {Hero} was "
                   "{glad}. They put the "
                   "{bake.need} on the table. {Hero} [mixed everything in a big bowl|stirred and "
                   "stirred].~But then {hero} "
                   "dropped the {bake.need}. [They fell|Everything fell] on the floor! \"Oh no! I "
                   "am sorry,\" said {hero}. "
                   "{Hero.his} {parent} was not angry. \"{comfort}. [We can clean it up.|Everyone "
                   "makes mistakes.]\" "
                   "They cleaned the floor and [tried again|started again].~[Soon|After a while], "
                   "the {bake} was ready. It "
                   "smelled [so good|wonderful|sweet]. {Hero} took a big bite. \"Yum! [This is the "
                   "best {bake} ever|I love "
                   "this {bake}]!\" said {hero}. [They ate the {bake} together.|They gave some to "
                   "{friend} too.] "
                   "{happyend}"),

    OWNED("high", "thing/act", "kite/flew", "cat/climbed", "balloon/flew", "ball/went"),
    PLOT("stuck", "{once} {Hero} had a {color} {high}. {Hero.he} loved the {high} very much.~{day} "
                  "{hero} was "
                  "{outside.in}. [Suddenly|All of a sudden], the {high} {high.act} up into a tall "
                  "tree. It was stuck! \"Oh no, "
                  "my {high}!\" cried {hero}. {Hero} [jumped and jumped, but {hero.he} was too "
                  "small|tried to climb the "
                  "tree, but it was too high].~[{Hero.his} friend {friend} saw {hero} and came to "
                  "help.|Then {hero.his} friend {friend} came by.] \"What is "
                  "wrong?\" asked {friend}. \"My {high} is stuck in the tree,\" said {hero}. "
                  "\"[Let's ask your "
                  "{parent}|I have an idea|Let's get a ladder]!\" said {friend}. They [ran home "
                  "and got|found] a long "
                  "ladder. {Hero.his} {parent} went up the tree and got the {high}.~\"Here you "
                  "are,\" said {hero.his} "
                  "{parent}. {thanks} [{Hero} hugged the {high}.|{Hero} and {friend} danced with "
                  "joy.] {friendsend}"),

    ONCE("fragile", "thing/fix", "vase/put the pieces together with glue", "cup/buy a new cup",
         "plate/clean up the pieces", "lamp/fix the lamp", "window/fix the window",
         "picture/make a new picture"),
    PLOT("truth", "{once} {likes}~{day} {hero} was playing with a {color} {toy} in the house. The "
                  "{toy} hit the {fragile}. "
                  "[Crash!|Bang!|Oh no!] The {fragile} broke. {Hero} was scared. \"[Will my "
                  "{parent} be mad?|What should "
                  "I do?]\" {hero} thought. [{Hero} wanted to hide.|{Hero} wanted to run "
                  "away.]~Then {hero.his} {parent} "
                  "came in. \"What happened to the {fragile}?\" asked {hero.his} {parent}. {Hero} "
                  "looked down. \"[I broke "
                  "it|I broke the {fragile}]. I am very sorry,\" said {hero}. {Hero.his} {parent} "
                  "{hug}. \"Thank you for "
                  "telling the truth,\" said {hero.his} {parent}. \"[I am not mad.|It was an "
                  "accident.] We can "
                  "{fragile.fix}.\"~So they did it together. {Hero} learned that it is "
                  "[good|always best] to tell the "
                  "truth. [After that, {hero} only played with the {toy} outside.|{happyend}]"),

    PLOT("rainyday", "{once} {likes}~{day} {hero} and {hero.his} {parent} wanted to [have a "
                     "picnic|go on a picnic] "
                     "{outside.in}. They packed {treat.many} and a {color} blanket. [But then|But "
                     "when they opened the door], it "
                     "began to rain. [The rain fell and fell.|Big drops fell from the sky.] {Hero} "
                     "was {sad}. \"[Our picnic is "
                     "ruined|I hate the rain],\" said {hero}.~{Hero.his} {parent} [smiled|had an "
                     "idea]. \"{comfort}. We can "
                     "have a picnic inside!\" They put the {color} blanket on the floor. They sat "
                     "down and ate the "
                     "{treat.many}. {Hero} [pretended to see birds and trees|told a funny "
                     "story|sang a song]. They laughed "
                     "and laughed.~[Then|After lunch], the rain stopped and the sun came out. "
                     "\"Look, a rainbow!\" said "
                     "{hero}. [\"It is beautiful,\" said {hero.his} {parent}.|They ran outside and "
                     "jumped in the puddles.] "
                     "{happyend}"),

    ONCE("skill", "do/did/fall", "ride a bike/rode the bike/fell off the bike",
         "swim/swam across the pool/got water in {hero.his} nose",
         "climb the tree/climbed the tree/slid down",
         "tie {hero.his} shoes/tied both shoes/made a big knot",
         "jump rope/jumped ten times/fell over the rope", "skate/skated all around/fell on the ice",
         "catch a ball/caught the ball/dropped the ball"),
    PLOT(
        "learn",
        "{once} {aside} {Hero} wanted to learn to {skill.do}. [All the other children could do "
        "it.|{Friend} could do it "
        "very well.|It looked like fun.]~{day} {hero} tried to {skill.do}. But {hero.he} "
        "{skill.fall}. \"[I can't "
        "do it|It is too hard]!\" cried {hero}. {Hero.his} {parent} said, \"{comfort}. [Try again "
        "and go "
        "slow.|You just need to practice.|Never give up.]\" So {hero} tried again, and {hero.he} "
        "{skill.fall} "
        "again.~{Hero} did not give up. {Hero.he} practiced every day. {Hero.his} {parent} [helped "
        "{hero.him}|watched and clapped]. [Then one day|At last|After many days], {hero} "
        "{skill.did}! \"Look, I "
        "can {skill.do}!\" said {hero}. \"[I am so proud of you|You did it], {hero}!\" said "
        "{hero.his} "
        "{parent}.~{Hero} learned that [if you try hard, you can do it|you should never give up|it "
        "takes time "
        "to learn new things]. {happyend}"),

    ONCE("find", "thing/inside", "key/a tiny door in a tree", "map/a box full of gold coins",
         "letter/a story about a kind king", "box/a little music box",
         "bottle/a note from far away", "shell/a shiny pearl"),
    PLOT("treasure", "{once} {Hero} loved to [look for treasure|find new things|go on "
                     "adventures].~{day} {hero} and {hero.his} friend {friend} "
                     "were {outside.in}. {Hero} saw something {size} {spot}. It was a {find}! "
                     "\"Wow, what is this?\" asked "
                     "{friend}. \"[Let's find out|I think it is magic]!\" said {hero}.~They "
                     "[looked at the {find} for a long "
                     "time|looked all around|followed the path]. [They went over a hill and past a "
                     "tree.|They were a little "
                     "scared, but they held hands.] Then they found {find.inside}. \"[It is a real "
                     "treasure|It is so "
                     "beautiful]!\" said {hero}. {Friend} [clapped and jumped|smiled and "
                     "laughed].~They showed it to "
                     "{hero}'s {parent}. \"[What a great find|You two are very clever]!\" said "
                     "{hero.his} {parent}. {Hero} "
                     "put the {find} in a safe place. {friendsend}"),

    OWNED("plant", "one/many", "flower/petals", "tree/leaves", "tomato plant/tomatoes",
          "rose/petals", "bean plant/beans", "pumpkin/seeds"),
    PLOT("seed", "{once} {likes}~{day} {hero.his} {parent} gave {hero} a small seed. \"What is "
                 "it?\" asked {hero}. \"If you "
                 "take care of it, it will grow,\" said {hero.his} {parent}. {Hero} [dug a "
                 "hole|made a little hole] "
                 "{outside.in} and put the seed in. [Then {hero.he} gave it water.|{Hero.he} put "
                 "water on it.]~Every day, "
                 "{hero} went to look at the seed. But [nothing happened|there was nothing to "
                 "see]. \"[It does not grow|Why "
                 "does it not grow]!\" said {hero}. \"[You must wait|Be patient], {hero},\" said "
                 "{hero.his} {parent}. "
                 "[{Hero} waited and waited.|{Hero} gave it water every day.]~Then, one morning, "
                 "{hero} saw something "
                 "green. The seed was growing! [Day after day|Each day] it grew bigger and bigger. "
                 "Soon it was a big "
                 "{color} {plant}. \"[Look, my {plant}|It is so pretty]!\" said {hero}. {Hero} "
                 "learned that [good things "
                 "take time|it is good to be patient]. {happyend}"),

    PLOT("greedy", "{once} {Hero} loved {treat.many}. {Hero.he} wanted to eat {treat.many} all "
                   "day.~{day} {hero.his} "
                   "{parent} put [ten|many] {treat.many} on the table. \"[These are for "
                   "everyone|You may have one], {hero},\" "
                   "said {hero.his} {parent}. But {hero} did not listen. When {hero.his} {parent} "
                   "was not looking, {hero} "
                   "ate one {treat}. Then {hero.he} ate another one, and another one. Soon all the "
                   "{treat.many} were "
                   "gone!~Then {hero}'s tummy began to hurt. \"Ouch, my tummy!\" cried {hero}. "
                   "{Hero.his} {parent} came in. "
                   "\"Did you eat all the {treat.many}?\" asked {hero.his} {parent}. \"Yes. I am "
                   "sorry,\" said {hero}. "
                   "{Hero.his} {parent} [gave {hero.him} some water|put {hero.him} to bed]. \"[Too "
                   "much is not good for "
                   "you|Next time, eat only one],\" said {hero.his} {parent}.~[The next day|Soon], "
                   "{hero} felt better. {Hero} "
                   "learned [not to be greedy|that too much is not good|to listen to {hero.his} "
                   "{parent}]. [After that, "
                   "{hero} always shared {hero.his} {treat.many} with {friend}.|{happyend}]"),

    ONCE("danger", "thing/rule/hurt", "stove/touch the stove. It is hot/burned {hero.his} finger",
         "pond/go near the pond. It is deep/fell into the cold water",
         "wall/climb the wall. It is high/fell down and hurt {hero.his} knee",
         "bees/go near the bees. They can sting/got a sting on {hero.his} arm",
         "ice/walk on the ice. It is thin/slipped and got very wet",
         "mud/play in the mud. It is deep/got stuck in the mud"),
    PLOT("warning", "{once} {Hero} did not always listen to {hero.his} {parent}.~{day} {hero.his} "
                    "{parent} said, \"{Hero}, do "
                    "not {danger.rule}.\" \"[Okay|Yes], {parent},\" said {hero}. But {hero} "
                    "[wanted to see the {danger}|was very "
                    "curious]. [When {hero.his} {parent} was not looking|After a while], {hero} "
                    "went to the {danger}. {Hero.he} "
                    "went closer and closer. [Then|Oh no!] {Hero.he} {danger.hurt}!~\"Help! "
                    "Help!\" cried {hero}. {Hero.his} "
                    "{parent} ran to {hero.him} and [picked {hero.him} up|helped {hero.him}]. "
                    "\"[Are you okay?|What "
                    "happened?]\" asked {hero.his} {parent}. \"I am sorry. I did not listen,\" "
                    "said {hero}. {Hero.his} "
                    "{parent} {hug}. \"[I just want you to be safe|I am glad you are safe],\" said "
                    "{hero.his} {parent}.~From "
                    "that day on, {hero} [always listened to {hero.his} {parent}|never went near "
                    "the {danger} again]. "
                    "[{Hero} was safe and happy.|{happyend}]"),

    PLOT("newchild",
         "{once} {aside} {Hero} went to [school|a small school].~{day} a new {friend.boy} came "
         "to the school. {Friend.his} "
         "name was {friend}. {Friend} was shy and [did not talk|sat all alone]. "
         "[Nobody played with {friend}.|The "
         "other children did not see {friend}.] {Hero} saw that {friend} was "
         "{sad}.~{Hero} went to {friend} and "
         "said, \"Hi, my name is {hero}. Do you want to play with [me|my {toy}]?\" "
         "{Friend} [looked up and "
         "smiled|was surprised]. \"Yes, please,\" said {friend}. They played with the "
         "{color} {toy}. They [ran and "
         "laughed|had so much fun].~[After school|When it was time to go home], "
         "{friend} said, \"Thank you for "
         "being nice to me.\" \"[You are my friend now|Let's play again tomorrow],\" "
         "said {hero}. {Hero} told "
         "{hero.his} {parent} all about {friend}. \"[You are very kind|I am proud of "
         "you],\" said {hero.his} "
         "{parent}. {friendsend}"),

    OWNED("gift", "thing/with", "card/paper and a {color} pen", "necklace/{color} beads",
          "picture/{color} paint", "hat/soft {color} wool", "crown/shiny {color} paper"),
    PLOT("present", "{once} {Hero} loved {hero.his} {parent} very much.~[Tomorrow was {hero.his} "
                    "{parent}'s birthday.|It was "
                    "almost {hero.his} {parent}'s birthday.] {Hero} wanted to give {parent.him} a "
                    "present, but {hero.he} had "
                    "no money. {Hero} was {sad}. Then {hero.his} friend {friend} said, \"You can "
                    "make a present!\" \"[What a good idea|Yes, I "
                    "can make a {gift}]!\" said {hero}.~{Hero} made a {gift} with {gift.with}. [It "
                    "took a long time.|{Friend} "
                    "helped too.|It was not easy, but {hero} did not give up.] The next day, "
                    "{hero} gave the {gift} to "
                    "{hero.his} {parent}. \"Happy birthday, {parent}!\" said {hero}. \"Did you "
                    "make this {gift} for me? It is "
                    "beautiful!\" said {hero.his} {parent}. {Parent.she} {hug}.~\"This is the best "
                    "present ever,\" said "
                    "{hero.his} {parent}. {Hero} learned that [a gift from the heart is the best "
                    "gift|the best gifts are "
                    "made with love]. {happyend}"),

    PLOT("oldneighbor", "{once} {likes}~{day} {hero} saw {neighbor} [in the street|near the "
                        "house]. {Neighbor} had [two heavy "
                        "bags|a big box|many bags] and was very tired. \"Can I help you, "
                        "{neighbor}?\" asked {hero}. \"Oh, thank "
                        "you, {hero}! [You are so kind|That is very nice of you],\" said "
                        "{neighbor}.~{Hero} [carried one of the "
                        "bags|helped {neighbor} to the door]. It was heavy, but {hero} was strong. "
                        "When they got to the house, "
                        "{neighbor} gave {hero} a {treat}. \"[This is for you|Please take it],\" "
                        "said {neighbor}. {Hero} ate the "
                        "{treat} and [it was very good|smiled].~[When {hero} came home|At home], "
                        "{hero.he} told {hero.his} "
                        "{parent} about {neighbor}. \"I am so proud of you,\" said {hero.his} "
                        "{parent}. \"[It is good to help "
                        "others|Helping is a good thing].\" [After that, {hero} helped {neighbor} "
                        "every week.|{happyend}]"),

    OWNED("build", "thing/of/fall",
          "sand castle/sand/A big wave came and washed the sand castle away",
          "tower/blocks/A dog ran by and the tower fell down",
          "snowman/snow/The sun came out and the snowman began to melt",
          "tree house/wood/A strong wind came and the tree house fell down",
          "fort/boxes/The cat jumped on the fort and it fell down"),
    PLOT("building", "{once} {Hero} liked to build things with {hero.his} friend {friend}.~{day} "
                     "{hero} and {friend} wanted to build a "
                     "[big|tall] {build}. They used a lot of {build.of}. {Hero} [worked on one "
                     "side and {friend} worked on the "
                     "other side|made it bigger and {friend} made it pretty]. \"[This is the best "
                     "{build} ever|I love our "
                     "{build}]!\" said {friend}.~But then something bad happened. {build.fall}. "
                     "\"Oh no, our {build}!\" cried "
                     "{hero}. {Friend} was {sad} too. [They sat down and did not talk.|{Hero} "
                     "wanted to give up.] Then {friend} "
                     "said, \"[Let's build it again|We can make a new one]!\"~So they worked "
                     "together. [They made the {build} "
                     "even bigger.|This time the {build} was even better.] \"We did it!\" said "
                     "{hero}. {Hero}'s {parent} came "
                     "and said, \"[What a great {build}|You are a great team]!\" {friendsend}"),

    PLOT("bedtime", "{once} {likes}~One night, {hero} could not sleep. [It was dark and "
                    "quiet.|{Hero.he} heard a strange "
                    "noise.|The wind was loud.] \"[{Parent}, I can't sleep|I am not tired],\" said "
                    "{hero}. {Hero.his} {parent} "
                    "came and sat on the bed. \"[Do you want to hear a story|Shall I tell you "
                    "about the moon|Do you want to hear about the stars]?\" asked {hero.his} "
                    "{parent}. \"Yes, please!\" said {hero}.~{Hero.his} {parent} told {hero} about "
                    "a {color} [bird|star|"
                    "fish|bear] who [wanted to touch the moon|lived in a castle in the sky|was "
                    "lost and found the way home]. "
                    "{Hero} listened and [hugged {hero.his} {toy}|closed {hero.his} eyes]. The "
                    "moon [was bright|smiled through "
                    "the window].~\"[Good night, {hero}|Sweet dreams, {hero}],\" said {hero.his} "
                    "{parent}. \"Good night, "
                    "{parent},\" said {hero}. Soon {hero} was asleep. {Hero} dreamed of [the "
                    "{color} stars|flying over the "
                    "{outside}|a big adventure]. [In the morning, {hero} woke up with a smile.|It "
                    "was a wonderful dream.]"),

    PLOT("messyroom", "{once} {Hero} had many toys. {Hero.his} room was a big mess.~{day} "
                      "{hero.his} {parent} said, \"{Hero}, "
                      "please clean your room.\" \"[I don't want to|Not now], {parent},\" said "
                      "{hero}. {Hero} wanted to play with "
                      "{hero.his} {color} {toy}. But {hero.he} could not find the {toy}! {Hero.he} "
                      "looked {wrongspot}. {Hero.he} "
                      "looked on the bed. [Then {hero} stepped on a block. Ouch!|There were toys "
                      "everywhere.]~\"[Where is my "
                      "{toy}|I can't find my {toy}]!\" said {hero}. \"[If you clean your room, you "
                      "will find it|Let's clean up "
                      "together],\" said {hero.his} {parent}. So {hero} put the books on the "
                      "shelf. {Hero.he} put the blocks in "
                      "the box. [At last|Then], {hero} saw the {color} {toy} under [the bed|a "
                      "shirt|a pile of books]!~\"I found "
                      "my {toy}!\" said {hero}. {Hero.his} room was clean and {hero.he} was "
                      "{glad}. From that day on, {hero} "
                      "[always cleaned up {hero.his} toys|put {hero.his} toys away every night]."),

    OWNED("ride", NULL, "bike", "scooter", "new ball", "wagon", "jump rope", "toy truck"),
    PLOT("swing",
         "{once} {likes}~{day} {hero} was playing with the {ride} at the park. {Friend} came and "
         "asked, \"Can I have "
         "a turn?\" \"No! [The {ride} is mine|I want to play alone],\" said {hero}. {Friend} was "
         "{sad} and walked "
         "away.~{Hero} played with the {ride} all alone. But [soon it was not fun anymore|after a "
         "while {hero.he} "
         "felt lonely]. {Hero} saw {friend} sitting {spot}. {Friend} was crying. {Hero} felt bad. "
         "\"[I was not "
         "nice|I must say sorry],\" {hero} thought.~{Hero} went to {friend} and said, \"I am "
         "sorry. [Do you want to "
         "play with me|You can have a turn now]?\" {Friend} [smiled|stopped crying] and said, "
         "\"Yes! Thank you, "
         "{hero}.\" They took turns with the {ride}. [It was much more fun together.|They laughed "
         "a lot.] {Hero} "
         "learned that [it is good to take turns|playing together is more fun]. {friendsend}"),

    ONCE("stranger", NULL, "woman", "man", "lady", "policeman"),
    PLOT("market", "{once} {likes}~{day} {hero} went to the [store|market] with {hero.his} "
                   "{parent}. There were so many things "
                   "to see. {Hero} saw a {color} {toy} and stopped to look at it. When {hero.he} "
                   "looked up, {hero.his} "
                   "{parent} was gone! {cried}~A kind {stranger} saw {hero}. \"[Are you lost|What "
                   "is wrong], little "
                   "{hero.boy}?\" asked the {stranger}. \"[I can't find my {parent}|I lost my "
                   "{parent}],\" said {hero}. \"Don't worry. Stay here with "
                   "me and we will wait,\" said the {stranger}. {Hero} [stood still and "
                   "waited|called out for {hero.his} {parent}].~Soon "
                   "{hero.his} {parent} came running. \"There you are, {hero}! I was so worried!\" "
                   "{Hero.his} {parent} {hug}. "
                   "\"[I will always hold your hand|I will stay close to you],\" said {hero}. They "
                   "[said thank you and went "
                   "home|bought some {fruit} and went home]. {happyend}"),

    ONCE("paint", NULL, "house", "horse", "flower", "rainbow", "castle", "big tree"),
    PLOT("drawing", "{once} {Hero} loved to draw and paint.~{day} {hero} made a picture of a "
                    "{color} {paint}. [{Hero.he} worked "
                    "on it all morning.|It was very pretty.] \"Look at my picture, {friend}!\" "
                    "said {hero}. But {friend} [laughed "
                    "and said|said], \"[There is no {color} {paint}|That {paint} looks silly]!\" "
                    "{Hero} was {sad}. [{Hero.he} "
                    "wanted to throw the picture away.|{Hero.he} hid the picture.]~{Hero.his} "
                    "{parent} saw the picture. \"[This "
                    "is beautiful|I love this {color} {paint}], {hero}!\" said {hero.his} "
                    "{parent}. \"You can paint things the "
                    "way you like.\" {Hero.his} {parent} put the picture on the wall. {Hero} "
                    "smiled again.~[Later|The next day], "
                    "{friend} came back. \"I am sorry, {hero}. I like your {color} {paint},\" said "
                    "{friend}. \"[Can we paint "
                    "together|Can you show me how to paint]?\" \"Yes!\" said {hero}. They painted "
                    "a big picture. {friendsend}"),

    PLOT("boat",
         "{once} {Hero} had a little {color} boat.~{day} {hero} took the boat to the "
         "[river|pond|lake] with "
         "{hero.his} {parent}. {Hero} put the boat on the water. The wind blew and the boat went "
         "[far|fast]. \"Come "
         "back, little boat!\" cried {hero}. But the boat [did not come back|went farther and "
         "farther].~A [duck|frog|"
         "swan|fish] saw the boat. It swam to the boat and pushed it with its [nose|head]. It "
         "pushed the boat back "
         "to {hero}. \"Look, {parent}! [It is helping me|It brought my boat back]!\" said {hero}. "
         "\"[What a clever "
         "animal|How kind],\" said {hero.his} {parent}.~{Hero} was {glad}. {Hero.he} gave the "
         "animal some bread to "
         "say thank you. [Every day, {hero} came back to see {hero.his} new friend.|{happyend}]"),

    ONCE("snowthing", NULL, "hat", "scarf", "mitten", "boot"),
    PLOT("snowday", "{once} {likes}~One cold morning, {hero} looked out of the window. Everything "
                    "was white. \"It is snowing!\" "
                    "said {hero}. {Hero} put on a warm coat and a {color} {snowthing}. {Hero} ran "
                    "outside to play with "
                    "{friend}. They [made snowballs|made a big snowman|went down the hill].~Then "
                    "{hero} saw a small [dog|cat|"
                    "bird] in the snow. It was shaking. \"It is so cold,\" said {friend}. {Hero} "
                    "took off the {color} {snowthing} "
                    "and put it around the little animal. \"[Now you are warm|This will keep you "
                    "warm],\" said {hero}. They took "
                    "it home to {hero}'s {parent}.~{Hero}'s {parent} gave the animal some milk. "
                    "\"[You did a good thing|You have "
                    "a kind heart], {hero},\" said {hero.his} {parent}. [The little animal fell "
                    "asleep by the fire.|The animal "
                    "was warm and happy.] {friendsend}"),
};
const size_t grammar_n_people_plots = ARRAY_LEN(grammar_people_plots);
