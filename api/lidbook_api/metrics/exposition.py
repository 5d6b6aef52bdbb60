"""Series of numbers as text, by Prometheus' own library.

Imported when somebody scrapes: that library brings a web server along.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from lidbook_api.metrics.catalogue import METRICS, Kind
from lidbook_api.metrics.series import Series


@dataclass(frozen=True, slots=True, eq=False)
class _Gathered(Collector):
    """Series that are there already, as a collector of the library's."""

    series: Sequence[Series]

    def collect(self) -> Iterator[Family]:
        """One family a series, in the catalogue's order."""
        order = {metric.name: place for place, metric in enumerate(METRICS)}
        return map(_family, sorted(self.series, key=lambda one: order[one.metric.name]))


def written(series: Iterable[Series]) -> bytes:
    """The series in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Gathered(list(series)))
    return generate_latest(registry)


def _family(series: Series) -> Family:
    metric = series.metric
    if metric.kind is Kind.HISTOGRAM:
        histograms = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, times in series.times:
            bounds = [*(f"{bound:g}" for bound in times.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(times.counts), strict=True))
            histograms.add_metric(labels, buckets, times.total)
        return histograms
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in series.values:
        family.add_metric(labels, value)
    return family
