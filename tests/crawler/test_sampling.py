import random

from crawler.sampling import Sampling


def exhausted(share: float = 0.125) -> Sampling:
    sampling = Sampling(share, random.Random(1))
    for _ in range(2_000):
        assert sampling.wants()
        sampling.answered(news=False)
        if sampling.exhausted:
            break
    return sampling


def test_everything_is_asked_while_there_is_news() -> None:
    sampling = Sampling(0.125, random.Random(1))
    for number in range(20_000):
        assert sampling.wants()
        sampling.answered(news=number % 20 == 0)
    assert not sampling.exhausted


def test_a_share_is_asked_once_answers_name_nobody_new() -> None:
    sampling = exhausted()
    assert sampling.exhausted
    asked = sum(sampling.wants() for _ in range(16_000))
    assert 1_850 < asked < 2_150


def test_news_opens_it_again() -> None:
    sampling = exhausted()
    for _ in range(5):
        sampling.answered(news=True)
    assert not sampling.exhausted
    assert all(sampling.wants() for _ in range(100))


def test_a_thousand_are_asked_in_each_crawl_whatever_they_bring() -> None:
    sampling = exhausted(share=0.001)
    sampling.begin()
    for _ in range(1_024):
        assert sampling.wants()
        sampling.answered(news=False)
    assert not sampling.exhausted  # the average takes longer to forget that all was new
    for _ in range(200):
        sampling.answered(news=False)
    assert sampling.exhausted


def test_a_share_of_one_asks_all() -> None:
    sampling = exhausted(share=1.0)
    assert all(sampling.wants() for _ in range(1_000))
