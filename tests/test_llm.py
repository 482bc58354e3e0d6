"""One request, one policy: stores, retries, limits, repair, secrets, order."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from alref_agent.agent.answers import PivotFrameAnswer
from alref_agent.agent.replies import frame_reader
from alref_agent.errors import BudgetError, ConfigError, LlmError, LlmUnavailableError
from alref_agent.prompts.library import PromptLibrary
from alref_agent.providers.budget import Budget
from alref_agent.providers.exchange import Exchange
from alref_agent.providers.llm import Llm, Question
from alref_agent.providers.messages import Message, Picture, Reply, Request, Sampling, ToolCall
from alref_agent.providers.names import LlmName
from alref_agent.providers.policy import Policy, Sender
from alref_agent.providers.prices import Price, Prices
from alref_agent.providers.provider import TransientError, UnreachableError
from alref_agent.providers.replay import Recorded, Replay, Unavailable
from alref_agent.providers.reply_store import Cache, Kept, ReplyStore, reply_key
from alref_agent.providers.scripted import Scripted
from alref_agent.providers.secrets import Blotter

LIBRARY = PromptLibrary()
PROMPT = LIBRARY.get("pivot-frame", "v1")
PRICES = Prices({"script": Price(input=1.0, output=10.0)})
FAST = Policy(attempts=4, max_wait=0.05, first_wait=0.01)
PLAIN = Sampling()


def picture(colour: int = 7) -> Picture:
    return Picture(bytes([colour]), "image/png", f"{colour:032x}", "record/x.png", (100, 200))


def question(text: str = "the dog", colour: int = 7) -> Question[PivotFrameAnswer]:
    rendered = PROMPT.render(
        expression=text,
        n_frames=5,
        frames=[{"number": n, "frame_idx": n, "seconds": n / 2} for n in range(1, 6)],
        layout="stacked from top to bottom",
        seconds_between=0.5,
        window=1,
        n_windows=1,
        sightings=[],
    )
    read = frame_reader(PROMPT, 5)
    return Question(rendered, (picture(colour),), read, "0", (1, 2, 3, 4, 5))


def make(
    script: Any,
    *,
    folder: Path | None = None,
    cache: Path | None = None,
    budget: Budget | None = None,
    policy: Policy = FAST,
    sampling: Sampling = PLAIN,
    given: Any = (),
    blot: Blotter | None = None,
    **more: Any,
) -> Llm:
    provider = script if hasattr(script, "complete") else Scripted(script)
    sender = Sender(provider, policy, budget or Budget(), PRICES)
    exchange = Exchange(
        provider,
        sender,
        PRICES,
        own=ReplyStore(folder) if folder else None,
        cache=Cache(cache) if cache else None,
        given=given,
        blot=blot,
    )
    return Llm(exchange, sampling, LIBRARY, **more)


class Failing:
    """Fails as often as told, then answers."""

    name, model, sees, calls_tools, local, replays = "failing", "script", True, True, False, False

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.n = 0
        self.times: list[float] = []

    @classmethod
    def from_config(cls, model: str, config: object) -> Failing:
        return cls()

    def complete(self, request: Request) -> Reply:
        self.n += 1
        self.times.append(time.perf_counter())
        if self.failures:
            raise self.failures.pop(0)
        return Reply("[2]", "script", input_tokens=1000, output_tokens=100)


def test_an_answer_and_its_record(tmp_path: Path) -> None:
    llm = make(["It is whole there. [3]"], folder=tmp_path)
    (outcome,) = llm.ask([question()])
    assert outcome.answer is not None
    assert (outcome.answer.frame, outcome.answer.reason) == (3, "It is whole there.")
    (record,) = llm.requests
    assert record.prompt == "pivot-frame/v1"
    assert record.prompt_digest == PROMPT.digest
    assert (record.reply, record.understood) == (
        "It is whole there. [3]",
        {"frame": 3, "reason": "It is whole there.", "confidence": None},
    )
    assert (record.asked, record.answered_by, record.source) == ("scripted:script", "script", "llm")
    assert '"the dog"' in record.text
    assert record.pictures == ["record/x.png"]
    assert record.cost == pytest.approx(
        ((record.input_tokens or 0) + 10 * (record.output_tokens or 0)) / 1e6
    )
    kept = json.loads((tmp_path / record.key[:2] / f"{record.key}.json").read_text())
    assert kept["reply"]["text"] == "It is whole there. [3]"
    assert kept["request"]["messages"][-1]["parts"][0]["picture"] == picture().digest
    assert llm.prompts[0].source == PROMPT.source


def test_one_repair_turn_shows_the_llm_its_own_words() -> None:
    provider = Scripted(["Frame three.", "Sorry. [3]"])
    llm = make(provider)
    (outcome,) = llm.ask([question()])
    assert outcome.answer is not None
    assert outcome.answer.frame == 3
    said, complaint = provider.requests[1].messages[-2:]
    assert (said.role, said.parts) == ("assistant", ("Frame three.",))
    assert "no number in square brackets" in str(complaint.parts[0])
    assert [r.repair for r in llm.requests] == [False, True]
    assert llm.requests[0].problem and llm.requests[0].understood is None
    usage = llm.usage()
    assert (usage.calls, usage.repairs, usage.unusable) == (2, 1, 1)


def test_after_the_repair_turn_there_is_no_answer_and_no_third_request() -> None:
    provider = Scripted(["?", "??", "[3]"])
    (outcome,) = make(provider).ask([question()])
    assert outcome.answer is None
    assert "no number" in outcome.problem
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply("[3", "m", finish="length"), "cut off at the limit of tokens"),
        (Reply("I cannot [3]", "m", finish="refusal"), "refused"),
        (Reply("caf\ufffd [3]", "m", finish="unreadable"), "no text"),
        (Reply("", "m"), "is empty"),
    ],
)
def test_replies_that_ended_badly_are_not_read(reply: Reply, problem: str) -> None:
    llm = make([reply, reply])
    (outcome,) = llm.ask([question()])
    assert outcome.answer is None
    assert problem in llm.requests[0].problem


def test_a_second_identical_run_asks_nobody(tmp_path: Path) -> None:
    first = make(["[3]"], folder=tmp_path / "a", cache=tmp_path / "cache")
    first.ask([question()])
    again = make([], folder=tmp_path / "b", cache=tmp_path / "cache")
    (outcome,) = again.ask([question()])
    assert outcome.answer is not None and outcome.answer.frame == 3
    assert (again.requests[0].source, again.requests[0].cost) == ("cache", 0)
    # What was found in the cache lies in the run folder too: a replay needs no cache.
    assert (tmp_path / "b" / again.requests[0].key[:2]).is_dir()
    resumed = make([], folder=tmp_path / "b")
    resumed.ask([question()])
    assert resumed.requests == again.requests


@pytest.mark.parametrize(
    "change",
    [
        {"text": "the dogs"},
        {"colour": 8},
        {"sampling": Sampling(temperature=0.1)},
        {"sampling": Sampling(seed=1)},
        {"sampling": Sampling(max_tokens=10)},
        {"sampling": Sampling(detail="low")},
        {"sampling": Sampling(options={"top_p": 0.5})},
        {"repeat": 1},
        {"model": "other"},
        {"name": "elsewhere"},
    ],
)
def test_whatever_may_change_the_reply_asks_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    make(["[3]"], cache=tmp_path).ask([question()])
    provider = Scripted(["[4]"], change.pop("model", "script"))
    provider.name = change.pop("name", "scripted")
    asked = {k: change.pop(k) for k in ("text", "colour") if k in change}
    make(provider, cache=tmp_path, **change).ask([question(**asked)])
    assert len(provider.requests) == 1


def test_one_word_of_the_prompt_asks_anew(tmp_path: Path) -> None:
    def request(text: str) -> Request:
        return Request((Message("user", (picture(), text)),))

    assert request("Which frame?").digest != request("Which  frame?").digest
    assert request("Which frame?").digest == request("Which frame?").digest
    moved = Request((Message("user", (Picture(b"x", "image/png", picture().digest), "a")),))
    assert moved.digest == request("a").digest, "where a picture lies is not what it is"


def test_a_damaged_reply_counts_as_none(tmp_path: Path) -> None:
    make(["[3]"], cache=tmp_path).ask([question()])
    (file,) = tmp_path.glob("*/*.json")
    for content in (b"", b"{", b"[]", b'{"format": 99}', b"\xff"):
        file.write_bytes(content)
        provider = Scripted(["[3]"])
        make(provider, cache=tmp_path).ask([question()])
        assert len(provider.requests) == 1


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    (outcome,) = make(["[3]"], cache=tmp_path / "cache").ask([question()])
    assert outcome.answer is not None


def test_the_same_question_at_once_is_asked_once(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        time.sleep(0.1)
        return "[3]"

    slow = Scripted(answer)
    outcomes = make(slow, folder=tmp_path).ask([question()] * 4)
    assert [o.answer and o.answer.frame for o in outcomes] == [3] * 4
    assert len(slow.requests) == 1


def test_requests_go_out_together_and_answers_keep_their_order() -> None:
    def answer(request: Request) -> str:
        text = str(request.messages[-1].parts[-1])
        n = next(i for i in range(1, 6) if f'"dog {i}"' in text)
        time.sleep(0.05 * (6 - n))
        return f"[{n}]"

    llm = make(answer, concurrency=5)
    started = time.perf_counter()
    outcomes = llm.ask([question(f"dog {n}") for n in range(1, 6)])
    assert time.perf_counter() - started < 0.6  # one by one: 0.75
    assert [o.answer and o.answer.frame for o in outcomes] == [1, 2, 3, 4, 5]
    assert [r.understood and r.understood["frame"] for r in llm.requests] == [1, 2, 3, 4, 5]


def test_concurrency_is_a_limit() -> None:
    out, most, lock = 0, 0, threading.Lock()

    def answer(request: Request) -> str:
        nonlocal out, most
        with lock:
            out += 1
            most = max(most, out)
        time.sleep(0.02)
        with lock:
            out -= 1
        return "[1]"

    make(answer, concurrency=3).ask([question(f"dog {n}") for n in range(12)])
    assert most == 3


def test_what_may_pass_is_tried_again() -> None:
    provider = Failing(TransientError("500: oh"), TransientError("503: no"))
    llm = make(provider)
    (outcome,) = llm.ask([question()])
    assert outcome.answer is not None
    assert (provider.n, llm.requests[0].attempts) == (3, 3)


def test_it_is_tried_again_only_so_often() -> None:
    provider = Failing(*[TransientError("500: oh")] * 9)
    with pytest.raises(LlmUnavailableError, match="failing:script was asked 4 times and failed: 5"):
        make(provider).ask([question()])
    assert provider.n == 4


def test_what_stays_is_not_tried_again() -> None:
    provider = Failing(LlmError("no such model"))
    with pytest.raises(LlmError, match="no such model"):
        make(provider).ask([question()])
    assert provider.n == 1


def test_a_server_that_asks_to_wait_is_waited_for_up_to_the_limit() -> None:
    provider = Failing(TransientError("429", retry_after=0.2), TransientError("429", 90.0))
    make(provider, policy=Policy(4, max_wait=0.3, first_wait=0.001)).ask([question()])
    first, second = provider.times[1] - provider.times[0], provider.times[2] - provider.times[1]
    assert 0.2 <= first < 0.29
    assert 0.3 <= second < 0.5


def test_one_failure_ends_all_waits_and_keeps_what_came(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        text = str(request.messages[-1].parts[-1])
        if '"dog 0"' in text:
            return "[1]"
        if '"dog 1"' in text:
            time.sleep(0.1)
            raise LlmError("the key was taken back")
        raise TransientError("429", retry_after=60)

    llm = make(answer, folder=tmp_path, policy=Policy(9, 60), concurrency=4)
    started = time.perf_counter()
    with pytest.raises(LlmError, match="the key was taken back"):
        llm.ask([question(f"dog {n}") for n in range(8)])
    assert time.perf_counter() - started < 5
    assert len(list(tmp_path.glob("*/*.json"))) == 1


def test_calls_are_limited_before_they_are_made() -> None:
    provider = Failing(TransientError("500"))
    budget = Budget(max_calls=3)
    with pytest.raises(BudgetError, match=r"3 calls were made, the limit is 3.*--max-calls"):
        make(provider, budget=budget, concurrency=1).ask([question(f"dog {n}") for n in range(5)])
    assert provider.n == 3, "failed calls count too"


def test_money_is_limited_before_it_is_spent() -> None:
    provider = Failing()
    llm = make(
        provider,
        budget=Budget(max_cost=0.009),
        sampling=Sampling(max_tokens=200),
        concurrency=4,
    )
    with pytest.raises(BudgetError, match=r"llm.max_cost.*the limit is \$0.009"):
        llm.ask([question(f"dog {n}") for n in range(20)])
    # A reply costs 0.002, and may cost about 0.0025 before it is known: the fourth waits for those
    # that are out, and after it 0.008 is spent.
    assert provider.n == 4


def test_a_call_waits_for_those_that_are_out_until_nobody_wants_it() -> None:
    budget, stop = Budget(max_cost=1.0), threading.Event()
    done: list[str] = []

    def second(name: str) -> None:
        try:
            with budget.call(0.5, stop):
                done.append(f"{name} sent")
        except BudgetError:
            done.append(f"{name} ended")

    with budget.call(0.9, stop) as charge:
        waiting = threading.Thread(target=second, args=("first",))
        waiting.start()
        waiting.join(0.3)
        assert done == []
        charge.actual = 0.1
    waiting.join(5)
    assert done == ["first sent"]
    with budget.call(0.9, stop):
        waiting = threading.Thread(target=second, args=("other",))
        waiting.start()
        stop.set()
        waiting.join(5)
    assert done == ["first sent", "other ended"]


def test_a_call_that_waited_for_money_counts_the_calls_anew() -> None:
    budget, stop = Budget(max_calls=2, max_cost=1.0), threading.Event()
    ended: list[str] = []

    def one() -> None:
        try:
            with budget.call(0.5, stop) as charge:
                charge.actual = 0.01
        except BudgetError as error:
            ended.append(str(error))

    with budget.call(0.9, stop) as charge:
        waiting = [threading.Thread(target=one) for _ in range(4)]
        for thread in waiting:
            thread.start()
        time.sleep(0.1)
        charge.actual = 0.1
    for thread in waiting:
        thread.join(5)
    assert budget.calls == 2
    assert len(ended) == 3
    assert all("the limit is 2" in error for error in ended)


def test_after_a_failure_no_reply_is_repaired() -> None:
    def answer(request: Request) -> str:
        asked.append(request)
        if '"dog 0"' in str(request.messages[-1].parts[-1]):
            time.sleep(0.1)
            raise LlmError("the key was taken back")
        time.sleep(0.5)
        return "no number"

    asked: list[Request] = []
    with pytest.raises(LlmError, match="the key was taken back"):
        make(answer, concurrency=4).ask([question(f"dog {n}") for n in range(4)])
    assert len(asked) == 4


def test_the_time_of_each_step_is_told_as_it_was_waited_for() -> None:
    def slow(request: Request) -> str:
        time.sleep(0.2)
        return "[1]"

    llm = make(slow, concurrency=4)
    llm.ask([question(f"dog {n}") for n in range(4)])
    assert list(llm.seconds) == ["pivot-frame"]
    assert 0.2 <= llm.seconds["pivot-frame"] < 0.7, "together, not one after the other"
    llm.ask([question("cat")])
    assert llm.seconds["pivot-frame"] >= 0.4


def test_replies_that_are_there_cost_nothing(tmp_path: Path) -> None:
    make(["[3]"], cache=tmp_path).ask([question()])
    llm = make([], cache=tmp_path, budget=Budget(max_calls=0, max_cost=0))
    assert llm.ask([question()])[0].answer is not None
    assert llm.usage().model_dump() == {
        "calls": 0, "cached": 1, "repairs": 0, "unusable": 0, "input_tokens": 0,
        "output_tokens": 0, "cost": 0, "models": ["script"],
    }  # fmt: skip


def test_secrets_are_blotted_out_of_replies_and_errors(tmp_path: Path) -> None:
    blot = Blotter({"OPENAI_API_KEY": "sk-very/secret+key", "HOME": "/home/somebody"})
    said = "Your key is sk-very/secret+key (sk-very%2Fsecret%2Bkey) in /home/somebody. [3]"
    llm = make([said], folder=tmp_path, cache=tmp_path / "cache", blot=blot)
    llm.ask([question()])
    assert llm.requests[0].reply == "Your key is [secret] ([secret]) in /home/somebody. [3]"
    for file in tmp_path.rglob("*.json"):
        assert "secret+key" not in file.read_text()
        assert "secret%2Bkey" not in file.read_text()
    for error in (LlmError("401: sk-very/secret+key"), TransientError("500 sk-very/secret+key")):
        with pytest.raises((LlmError, LlmUnavailableError)) as raised:
            make(Failing(*[error] * 4), blot=blot).ask([question("the cat")])
        each: BaseException | None = raised.value
        assert "secret+key" not in str(each)
        assert each is not None and each.__cause__ is None and each.__suppress_context__


def test_short_values_and_other_variables_are_no_secrets() -> None:
    blot = Blotter({"A_TOKEN": "abc", "PATH": "/usr/bin/long", "KEYBOARD": "qwertz-layout"})
    assert blot("abc /usr/bin/long qwertz-layout") == "abc /usr/bin/long qwertz-layout"
    assert Blotter({"MINE": "hidden-value"}, "MINE")("hidden-value") == "[secret]"


def test_a_replay_answers_as_it_was_answered(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "record" / "replies"
    make(["Frame three", "[3]"], folder=folder).ask([question()])
    llm = make(Replay(tmp_path / "run"), folder=tmp_path / "again", cache=tmp_path / "cache")
    (outcome,) = llm.ask([question()])
    assert outcome.answer is not None and outcome.answer.frame == 3
    assert [r.source for r in llm.requests] == ["replay", "replay"]
    assert llm.usage().calls == 0
    assert not (tmp_path / "cache").exists(), "a replay is no news"
    with pytest.raises(LlmError, match="has no reply to this request"):
        llm.ask([question("another dog")])
    # A replay of the replay.
    Replay(tmp_path / "again").complete(llm.request(question()))


def test_a_replay_of_nothing_and_of_two_minds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LlmError, match="holds no replies"):
        Replay(tmp_path)
    for model, said in (("a", "[1]"), ("b", "[2]")):
        make(Scripted([said], model), cache=tmp_path).ask([question()])
    with pytest.raises(LlmError, match="replies of scripted:[ab] and of scripted:[ab]"):
        Replay(tmp_path)


def test_a_result_alone_answers_too() -> None:
    first = make([Reply("[3", "m", finish="length"), "[3]"])
    first.ask([question()])
    again = make([], given=[Recorded(first.requests)])
    (outcome,) = again.ask([question()])
    assert outcome.answer is not None and outcome.answer.frame == 3
    assert "cut off" in again.requests[0].problem
    assert [r.source for r in again.requests] == ["replay", "replay"]


def test_a_step_may_ask_another_llm() -> None:
    other = Scripted(["[5]"], "other")
    sender = Sender(other, FAST, Budget(), PRICES)
    llm = make(["[1]"], steps={"pivot-frame": Exchange(other, sender, PRICES)})
    (outcome,) = llm.ask([question()])
    assert outcome.answer is not None and outcome.answer.frame == 5
    assert llm.requests[0].asked == "scripted:other"


def test_keys_differ_by_who_is_asked() -> None:
    request = Request((Message("user", ("a",)),))
    keys = {reply_key(p, m, request) for p, m in (("a", "b"), ("a", "c"), ("c", "b"))}
    assert len(keys) == 3


DAMAGE: dict[str, dict[str, Any]] = {
    "text is a number": {"reply": {"text": 5}},
    "no text": {"reply": {"text": None}},
    "tokens are a word": {"reply": {"input_tokens": "many"}},
    "tokens beyond counting": {"reply": {"output_tokens": 10**400}},
    "seconds are a word": {"reply": {"seconds": "x"}},
    "seconds are none": {"reply": {"seconds": float("nan")}},
    "attempts below none": {"reply": {"attempts": -1000}},
    "nobody answered": {"reply": {"model": None}},
    "an unknown end": {"reply": {"finish": "perhaps"}},
    "calls that are none": {"reply": {"tool_calls": [{"x": 1}]}},
    "nobody was asked": {"model": None},
    "an unknown source": {"source": "hearsay"},
    "another key": {"key": "0" * 32},
    "another digest": {"digest": "0" * 64},
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_reply_that_is_damaged_or_of_another_request_counts_as_none(
    tmp_path: Path, name: str
) -> None:
    make(["[3]"], cache=tmp_path).ask([question()])
    (file,) = tmp_path.glob("*/*.json")
    content = json.loads(file.read_text())
    change = DAMAGE[name]
    reply = content["reply"] | change.get("reply", {})
    file.write_text(json.dumps(content | change | {"reply": reply}))
    provider = Scripted(["[4]"])
    (outcome,) = make(provider, cache=tmp_path).ask([question()])
    assert outcome.answer is not None and outcome.answer.frame == 4
    assert len(provider.requests) == 1


def test_a_reply_under_the_name_of_another_one_is_not_believed(tmp_path: Path) -> None:
    make(["[3]"], folder=tmp_path).ask([question()])
    (mine,) = tmp_path.glob("*/*.json")
    make(["[5]"], folder=tmp_path / "other").ask([question("the cat")])
    (foreign,) = (tmp_path / "other").glob("*/*.json")
    mine.write_bytes(foreign.read_bytes())
    assert list(ReplyStore(tmp_path).all()) == []
    (outcome,) = make(["[4]"], folder=tmp_path).ask([question()])
    assert outcome.answer is not None and outcome.answer.frame == 4


@pytest.mark.parametrize("depth", [300, 100_000])
def test_a_reply_that_is_nested_too_deeply_counts_as_none(tmp_path: Path, depth: int) -> None:
    llm = make([Reply("[3]", "m", tool_calls=(ToolCall("1", "x", {"a": "DEEP"}),))], cache=tmp_path)
    llm.ask([question()])
    (file,) = tmp_path.glob("*/*.json")
    assert len(list(ReplyStore(tmp_path).all())) == 1
    file.write_text(file.read_text().replace('"DEEP"', '{"a":' * depth + "1" + "}" * depth))
    assert list(ReplyStore(tmp_path).all()) == []


def test_half_a_character_is_kept_as_it_came(tmp_path: Path) -> None:
    reply = Reply("half \ud83d [3]", "m", tool_calls=(ToolCall("1", "x", {"\ud83d": "\ud83d"}),))
    request = Request((Message("user", ("a",)),))
    kept = Kept("scripted", "script", request.digest, reply)
    ReplyStore(tmp_path).put("k" * 32, kept, request)
    assert ReplyStore(tmp_path).get("k" * 32, request.digest) == kept


def test_what_a_recorded_run_was_not_asked_is_said_so() -> None:
    first = make(["[3]"])
    first.ask([question()])
    gone = Unavailable(LlmName("openai", "gpt-4"), LlmError("No API key."))
    changed = [r.model_copy(update={"digest": "0" * 64}) for r in first.requests]
    said = (
        "The recorded run has no reply to this question (the prompts, the video or the settings "
        "differ), and it cannot be asked anew: "
    )
    for recorded in ([], changed):
        with pytest.raises(LlmError) as error:
            make(gone, given=[Recorded(recorded)]).ask([question()])
        assert str(error.value) == f"{said}No API key."
        down = Failing(UnreachableError("Connection refused"))
        with pytest.raises(LlmError) as error:
            make(down, given=[Recorded(recorded)]).ask([question()])
        assert str(error.value).startswith(f"{said}failing:script cannot be reached: Connection")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tool_calls": [{"x": 1}]}, r"tool_calls\.0\.id: Field required"),
        ({"finish": "perhaps"}, "finish: Input should be 'stop'"),
    ],
)
def test_a_recorded_reply_that_is_none_is_one_line(change: dict[str, Any], said: str) -> None:
    first = make(["[3]"])
    first.ask([question()])
    record = first.requests[0].model_copy(update=change)
    with pytest.raises(ConfigError, match=said) as error:
        Recorded([record])
    assert record.key in str(error.value)
