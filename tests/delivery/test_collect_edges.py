"""Where a log ends inside a line, and where two logs seem to share one: what thousands of random logs found."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from keeper.delivery.archive import find
from keeper.delivery.collect import Settings, collect
from keeper.delivery.report import Report
from keeper.delivery.scan import Wanted

ANSWER = "onSendThriftHttpResponse: key='X', packet_id={}, response=HTTPResponse(code={},error=None,time_info={{}})"


def stamp(second: float) -> str:
    return f"[2015-01-23 15:47:{second:06.3f} INFO] ".replace(".", ",", 1)


def sent(second: float, number: int, text: str = "") -> str:
    return f"{stamp(second)}sendThrift LIST: key='X', data=[Y(text={text!r})], packet_id={number}\n"


def answered(second: float, number: int, code: int = 200) -> str:
    return f"{stamp(second)}{ANSWER.format(number, code)}\n"


def collected(folder: Path, *logs: str) -> tuple[Report, list[int]]:
    """The report, and the ids of what was not delivered."""
    paths = []
    for number, log in enumerate(logs):
        paths.append(folder / f"log{number}")
        paths[-1].write_text(log)
    settings = Settings(Wanted(), ZoneInfo("UTC"), processes=1)
    report = collect(find(map(str, paths)), folder / "out", settings, lambda index, taken: None)
    lines = [line for name in ("unsent", "no-response") for line in (folder / f"out/collected-{name}").open()]
    return report, sorted(int(line.split("] ")[-1].split(":")[0]) for line in (line.split(": X:")[0] for line in lines))


def test_an_answer_a_user_wrote_at_the_torn_end_of_a_log_answers_nothing(tmp_path: Path) -> None:
    torn = f'{stamp(3)}cannot parse "{stamp(2)}{ANSWER.format(5, 200)}'
    report, ids = collected(tmp_path, sent(1, 4) + answered(1, 4) + sent(2, 5) + torn)
    assert (ids, report.unmatched, report.broken) == ([5], 0, 0)


def test_an_answer_that_is_torn_behind_its_code_answers(tmp_path: Path) -> None:
    _, ids = collected(tmp_path, sent(1, 4) + sent(1, 5) + answered(2, 4).rpartition("error")[0])
    assert ids == [5]


def test_a_torn_send_breaks_once_whatever_a_user_wrote_in_it(tmp_path: Path) -> None:
    torn = f"{stamp(2)}sendThrift LIST: key='X', data=[Y(text='{sent(1, 9).rstrip()}"
    report, ids = collected(tmp_path, sent(1, 4) + answered(1, 4) + torn)
    assert (ids, report.packets, report.broken) == ([], 1, 1)


def test_pieces_of_two_answers_do_not_put_a_log_behind_a_later_one(tmp_path: Path) -> None:
    """The send that crosses from the first log to the second is whole only between these two; its id is 4527. The end
    of the third and the beginning of the second make an answer, too, to a packet that the third did not send. (Its
    first send, 4529, broke.)"""
    user = ANSWER.format(4527, 200)
    first, second = (sent(1, 4526) + sent(2, 4527, user)).split("packet_id=4527, ", 1)
    first += "packet_id="
    second = "4527, " + second + sent(3, 4528) + answered(4, 4528)
    third = sent(5, 4530) + answered(6, 4530) + answered(7, 4).split("4, response")[0]
    report, ids = collected(tmp_path, third, second, first)
    assert [Path(log.path).name for log in report.logs] == ["log2", "log1", "log0"]
    assert (ids, report.packets) == ([4526, 4527], 4)
