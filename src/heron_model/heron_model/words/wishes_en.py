"""What passengers ask for in English, one pattern a line: those for training, then those held out.

`ACTS` are in the form that follows "please"; `PLAIN` stand alone; `WRAPS` stand around an act.
"""

from __future__ import annotations

# Word lists: both splits // train only // held-out only.
WORDS = {
    "next": "next|coming // first|nearest // upcoming|following",
    "junction": "junction|intersection|corner|traffic light "
    "// crossing|lights|signal|fork|set of lights|main road|side street|stop line|T-junction|bend "
    "// crossroads|turning|crosswalk",
    "at": "at the {next} {junction}|at the {junction}|here "
    "// up ahead|up there|at the end of this street|in a moment|after the {shop}|by the {shop}|just before the {shop}|over there"
    "|there|now|towards {name}|at {name} street|when we get to the {junction}|in a hundred metres|as soon as possible"
    "|when you reach the {junction}|once we are at the {junction}|once you reach the {shop}|past the {shop}|in front of the {shop}"
    "|when you see the {shop}|a little further|where the {vehicle} is|behind the {shop}|close to the {shop}|after this {junction}"
    "|in front of {name} "
    "// once we reach the {junction}|near the {shop}|in front of {name} hall",
    "shop": "bakery|bus stop|school|station "
    "// bank|supermarket|post office|church|park|bridge|hotel|cinema|hospital|florist|kiosk|garage|theatre|market|fountain|stadium"
    "|town hall|playground|cafe|restaurant|butcher|warehouse|fire station|old mill|pool|tower|gate|statue|harbour|zoo|gallery|gym"
    "|laundry|dentist|tree|sign|{name} shop|{name} square|{name} building|house of {name} "
    "// museum|petrol station|library|pharmacy|barber|pub|town gate|{name} store",
    "name": "~ "
    "// ~|~|~|~|~|~|~|~|~|~|~|~|~|~|~|miller|novak|tanaka|schmidt|rossi|olsen|jensen|garcia|dubois|suzuki|baker|wilson|ivanov"
    "|murphy|yamada|fischer|king|lopez|berg|kato|park|elm|oak|station|church|mill|river|queen|castle "
    "// smith|kowalski|moreau|sato|hansen|market|maple|victoria",
    "colour": "white|red|blue|black // green|silver|grey|brown|pink|dark|small|big // yellow|orange|golden|old",
    "vehicle": "truck|car|van|bus // lorry|taxi|pick-up|tram|camper|delivery van|motorbike|police car // trailer|coach|minivan",
    "place": "behind the {colour} {vehicle}|behind the {vehicle}|in front of the {shop}|at the {shop} "
    "// next to the {shop}|after the {colour} {vehicle}|behind that {colour} {vehicle}|over there|by the side of the road"
    "|opposite the {shop}|before the {shop}|near the {shop}|beside the {colour} {vehicle}|there|here|at {name} street"
    "|right behind the {vehicle}|right there|right here "
    "// just past the {shop}|close behind the {vehicle}|right behind the {colour} {vehicle}|by the {shop}",
    "bit": "a bit|a little // slightly|somewhat|much|a lot|a little bit|just a bit // a touch|a good deal",
    "why": "it is late|there is a {shop}|it is wet "
    "// I feel sick|the road is narrow|we have time|children play here|I am scared|it is dark|it rains|my baby sleeps"
    "|this is a school zone|I spilled my tea|the road is bumpy|there is no hurry|the {vehicle} is close "
    "// it is slippery|the view is poor|my coffee spills|I do not feel well",
    "danger": "run the red light|ignore the red light|hit anyone|speed|drive on the pavement "
    "// ignore the stop sign|tailgate|jump the light|drive on the wrong side|cut anyone off|race|ignore the pedestrians"
    "|drive against the traffic|run any light "
    "// drive on the sidewalk|go on red|ignore the cyclist|drive at {fast}",
    "careful": "wait for the pedestrians|mind the cyclist|do not {danger}|don't {danger} "
    "// keep to the speed limit|only when it is green|never {danger}|look out for {anyone}|give way to {anyone}|drive carefully"
    "|watch the {vehicle}|take care "
    "// be careful of {anyone}|stay off the pavement|only on green",
    "careful_act": "wait for {anyone}|stop for {anyone}|give way to {anyone}|look out for {anyone} "
    "// brake for {anyone}|check the {junction} "
    "// look at {anyone}",
    "anyone": "pedestrians|the cyclist|people|the pedestrian "
    "// anyone|children|that old man|the lady|the school kids|the crowd|the dog|the worker|everybody|the traffic guide"
    "|the man with the umbrella "
    "// walkers|the kids|the old woman",
    "fast": "180|200 // 150|160|220|250|170|210|280|400|500 // 190|240|300",
    "wake": "// hey heron|ok heron|heron|ok|well|so|uh|um|hi|hey|listen|yes|no|sorry|excuse me|driver|dear car|attention|good|hm|oh"
    "|all right|alright|right|now then|I think|I guess "
    "// hello heron|right then|er|well now|my friend",
    "kindly": "please|please just "
    "// please now|just|kindly|please simply|now please|then|now|would you please|quickly "
    "// pretty please|please do|be kind and",
    "ask": "can you|could you|I want you to|please "
    "// could you please|can you please|I would like you to|you should|now you can|we need to|you have to|would you|will you"
    "|you must|I'd like you to|let us|we want to|you can|it is time to|I ask you to|try to|do me a favour and|go ahead and"
    "|it would be nice to|is it possible to|we would be happy to|it is best to|do you mind to|be so good and|may I ask to "
    "// be so kind and|I need you to|may I ask you to|time to|you may|would it be possible to",
    "end": "please|thanks "
    "// thank you|now|ok|for me|if you can|if possible|will you|would you|thank you very much|my friend|again|right now"
    "|straight away|as I said|if you do not mind|if you don't mind|if it is ok|if you like|would you please|today "
    "// if that is fine|cheers|at once|if that suits you",
}

ACTS = {
    "turn": (
        """
turn {side} [{at}]
turn {side} {at}
turn {side}
take (the|a) [{next}] {side} [turn|turning]
take the {next} {side} [at the {shop}]
take the {side} (road|street|lane|way) {at}
make a {side} [turn] [{at}]
(go|head|bear|steer|drive|veer|move|swing|pull) {side} {at}
(go|head|bear|steer|drive|veer|move|turn off|turn) to the {side} [{at}]
take a {side} hand turn {at}
(do|make|try) (a|one) {side} [{at}]
leave the {junction} to the {side}
get into the road to the {side}
(go|turn) {side} {at}, (and remember to|but first) {careful_act}
turn {side} {at}, not {other}
(turn|go) {side} and not {other}
not turn {other} but {side}
do not (turn|go) {other}[,] but [turn|go] {side} [{at}]
do not (turn|go) {other}, (turn|go) {side} [instead]
don't go straight, (turn|go) {side} [{at}]
turn {side} {at} but {careful}
turn {side}, and {careful}
{careful} and turn {side} {at}
turn {side} into (the side street|the main road|{name} street)
(turn|go) {side} instead of (going straight|{other})
slow down and turn {side} {at}
use the {side} lane and turn {side}
""",
        """
hang a {side} [{at}]
curve {side} {at}
go {side} rather than {other}
leave this road to the {side} {at}
go {side} {at}, and remember: {careful}
do a {side} turn {at}
don't turn {other} {at} but {side}
turn off to the {side} {at}
pull {side} {at}
""",
    ),
    "straight": (
        """
go straight [on|ahead] [{at}]
drive straight (on|ahead) [{at}]
continue straight [on|ahead] [{at}]
(keep|stay|head|run|travel|move) straight [on|ahead] [{at}]
go straight through the {junction}
(go|drive) straight [on], not (left|right)
do not turn (left|right), go straight [on|ahead] [{at}]
don't turn {at}, drive straight [on|ahead]
go straight [on|ahead] {at} but {careful}
{careful} and go straight [on|ahead]
cross the {junction} straight [ahead]
stay straight, the (left|right) lane is closed
take the way straight ahead {at}
(skip|forget|leave out) the (left|right) turn and (go|drive) straight
make no turn {at}, go straight
go straight, and (remember to|first) {careful_act}
drive straight on instead of (left|right)
""",
        """
head straight over {at}
proceed straight [ahead] [{at}]
carry straight on {at}
pass straight through the {junction}
make no (left|right) turn but go straight
keep straight {at}, and {careful}
cancel the (left|right) turn and continue straight
""",
    ),
    "follow": (
        """
follow (the|this) (road|street|lane)
(follow|stay on|keep to) (the|this) (road|street|lane) [and {careful}]
keep going
(keep|go on|continue) (driving|going) [along (this|the) (road|street)]
stay (on this road|in this lane|in your lane|on this street)
drive on [as before]
continue along (this|the) (road|street)
keep (going|driving) [along] and {careful}
follow the road, (no|without a) (left|right) turn
(forget|cancel|skip|leave out) the (left |right |) turn(,| and) (follow the road|keep going|stay on this road)
go on [driving] and {careful}
(do not|don't|never) {unsafe_act}
(do not|don't|never) {unsafe_act}
(do not|don't|never) {danger}
not {danger}
wait until the light is green
(give way|always give way) to {anyone}
do not stop here, keep going
respect the (red light|rules|speed limit)
(do not|don't|never) ever {unsafe_act}
{careful_act}
(carry|go|drive|keep) on as (always|now|before|planned|you do)
(carry|go) on [and {careful}]
always (stop for the red light|wait for {anyone}|brake for {anyone}|keep the brakes on)
""",
        """
carry on along this (road|street)
carry on as you are now
keep following the (road|street|lane)
just stay in (the|your) lane and {careful}
cancel the (left|right) turn and follow the road
do not ever {danger}
never ever {danger}
(don't|do not|never) {unsafe_act}
""",
    ),
    "stop": (
        """
stop [here|now|the car]
stop {place}
stop {place}
stop the {vehicle} {place}
come to a (stop|halt) {place}
pull (over|in) [{place}]
pull over and stop {place}
(halt|park|wait|stand|stay) {place}
let (me|us) (out|off) {place}
stop the car {place}
stop {place} and {careful}
stop on the (left|right) {place}
find a place to stop {place}
go to the (left|right) side and stop {place}
do not (go on|drive on), stop {place}
stop {place} because {why}
""",
        """
pull up {place}
bring the car to a stop {place}
make a stop {place}
stop {place} so that I can get out
stop close {place}
drive up and stop {place}
park the car {place}
""",
    ),
    "slow": (
        """
slow down [{bit}]
slow down [{bit}], {why}
(drive|go) [{bit}] slower [{at}]
(drive|go) [{bit}] more slowly [because {why}]
(drive|go) slowly [{at}]
(make|get) (the car|it) slower
slow the {vehicle} down
(reduce|cut|lower|decrease) (the|your) speed [{bit}] [{at}]
take it (easy|slow)
slow down before the {junction}
slow down for {anyone}
slow down, the (left|right) lane is closed
slow down before the (left|right) turn
do not (drive|go) so fast[, {why}]
don't (drive|go) this fast[, {why}]
be {bit} slower
bring it down [{bit}]
keep (it|the speed) slow
slow (it|us|the {vehicle}) down [{bit}]
(drive|go) at a (lower|slower) speed
keep (your|the) speed (low|limited|under control)
do not stop but slow down
""",
        """
bring (the|your) speed down [{bit}]
drive at a very slow speed[, {why}]
slow the car down [{bit}]
not drive so fast, {why}
keep the speed down[, {why}]
go slow[, {why}]
""",
    ),
}

PLAIN = {
    "turn": (
        """
{side}
{side} {at}
{next} {side}
(we|I) (go|turn|want|need) {side} {at}
{at}, {side}
{at} (turn|go|take a|keep) {side}
not {other}, {side}
no, {side}, not {other}
(it is|that is|it's) (the|a) {next} {side} [turn] [{at}]
to the {side} {at}
the {shop} is on the {side}, so turn {side}
{side} (turn|lane) {at}
not straight, {side} {at}
{side}, I (said|meant|think), {side}, not {other}
(he|she|my friend|the map) (said|says) {side} [{at}]
the (way|route|plan) is {side} {at}
my home is {side} {at}
{at} it is {side}
{side} {side} {side}
{side} at the {shop}, and {careful}
""",
        """
{side} {at}, as planned
{at} we want to go {side}
our way is {side} {at}
{side}, {side}, not {other}
I said {side} {at}
it's a {side} turn {at}
""",
    ),
    "straight": (
        """
straight [on|ahead]
straight (on|ahead) {at}
{at}, straight (on|ahead)
no turn {at}, just straight [on|ahead]
not left, not right, straight (on|ahead)
not (left|right), straight [on|ahead]
(we|I) (go|drive|want) straight [on|ahead] {at}
{at} (go|drive|keep) straight
it is straight ahead
(he|she|my friend|the map) (said|says) straight [on|ahead] [{at}]
the (way|route|plan) is straight ahead
straight ahead at the {shop}, and {careful}
""",
        """
neither left nor right, straight ahead
{at} we want to go straight
straight ahead, no turn
I said straight {at}
""",
    ),
    "follow": (
        """
no turn, keep going
all is well, drive on
stay on this road and {careful}
mind the speed limit
keep your distance
never mind, (keep going|drive on|follow the road)
always wait for {anyone}
red means stop, remember
we follow (this|the) (road|street)
along (this|the) (road|street)
(no|not a) (left|right) turn, (stay on|follow) the road
drive on as before
you must not {danger}
nobody may {danger}
""",
        """
no change, keep going
never mind, stay on the road
keep going, and please do not {danger}
as before, follow the road
you should never {danger}
""",
    ),
    "stop": (
        """
stop stop
stop
(I|we) (want|need|have|like) to (get out|stop|get off) {place}
stop, {why}
my stop is {place}
{place} (we|you) stop
this is far enough, stop
(we|I) get out {place}
stop it here
{place}, stop [please]
""",
        """
we want to stop {place}
I get out {place}, stop there
stop at once
""",
    ),
    "slow": (
        """
slower
slowly
[{bit}] slower, {why}
not so fast[, {why}]
(you are|we are|this is|that is) too fast[, {why}]
too fast, slow down
less speed[, {why}]
do we have to go so fast
slow, {why}
easy, easy
slowly {at}
""",
        """
that is far too fast for me
slower, slower
we are going too fast for me
easy, not that fast
""",
    ),
}

WRAPS = (
    """
{act}
{act}
{kindly} {act}
{ask} {act}
{wake}, {act}
{wake} {ask} {act}
{wake} {kindly} {act}
{act} {end}
{ask} {act} {end}
""",
    """
{act}
{kindly} {act}
{ask} {act}
{wake}, {ask} {act}
{wake} {act} {end}
{act}, {end}
""",
)
