"""Whether a bundle's model is its source, on a provider; and, where it is not, since which step."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from conformance.bundle import Bundle
from conformance.entry import ZooEntry
from conformance.evidence import Explanation, MutationReport, ParityReport
from conformance.execution.contract import Completed, Failure, shorten
from conformance.explain.lossy import not_explained
from conformance.judging import judge_failure, parity_failure
from conformance.model import Case, FrameworkInfo, Stage, TestRef, Verdict, from_json
from conformance.mutation import insensitive
from conformance.outcomes import Outcomes, Proof
from conformance.tasks import Settings, Tasks
from conformance.variants import is_lossy
from conformance.zoo import LocatedCase


class Lookups(Protocol):
    """What has to be known of a case beyond its bundle."""

    def info(self, entry: ZooEntry) -> FrameworkInfo:
        """What is known of an entry's framework."""

    def base_of(self, case: Case, bundle: Bundle) -> Bundle | None:
        """The bundle that a variant's was made of, if it is still there."""


class Proofs:
    """Proves bundles, tries the check on wrong models, and explains what is news."""

    def __init__(
        self,
        settings: Settings,
        tasks: Tasks,
        conversions: Lookups,
        outcomes: Outcomes,
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._conversions = conversions
        self._outcomes = outcomes

    def of(self, located: LocatedCase, bundle: Bundle, ref: TestRef, provider: str) -> Proof:
        """What comes of comparing a case's bundle with its source on a provider."""
        key = located.case.id_on(provider)
        proof = self._outcomes.recall(Proof, key)
        if proof is None:
            proof = self._prove(located, bundle, ref, provider)
            self._outcomes.keep(key, proof)
        return proof

    def _prove(self, located: LocatedCase, bundle: Bundle, ref: TestRef, provider: str) -> Proof:
        completed = self._tasks.prove(located, bundle, provider)
        if completed.value is None:
            return Proof(None, None, completed.failure)
        report = from_json(ParityReport, completed.value["parity"])
        proof = Proof(report, completed.value["placement"], parity_failure(report))
        if proof.failure is None and self._settings.mutants:
            proof = self._mutated(proof, located, bundle, provider)
        if self._settings.explain or self._is_news(located.case.entry, ref, proof.failure):
            lossy = is_lossy(located.case.variant)
            explained = self._explained_by_base if lossy else self._explained
            proof = explained(proof, located, bundle, provider)
        return proof

    def _mutated(self, proof: Proof, located: LocatedCase, bundle: Bundle, provider: str) -> Proof:
        """Try the check that has just passed on wrong models: it must object to them."""
        completed = self._tasks.mutate(located, bundle, provider)
        if completed.value is None:
            why = completed.failure.reason if completed.failure else "no result"
            untried = shorten(f"the check could not be tried on wrong models: {why}")
            failure = Failure(Verdict.INFRA_ERROR, Stage.PARITY, untried, None)
            return replace(proof, failure=failure)
        mutation = from_json(MutationReport, completed.value["mutation"])
        blunt = insensitive(mutation)
        if blunt is None:
            return replace(proof, mutation=mutation)
        failure = Failure(Verdict.VACUOUS, Stage.PARITY, shorten(blunt), blunt)
        return replace(proof, mutation=mutation, failure=failure)

    def _is_news(self, entry: ZooEntry, ref: TestRef, failure: Failure | None) -> bool:
        """Whether a failure is worth explaining: one that the zoo does not know yet."""
        if failure is None:
            return False
        judged = judge_failure(entry, ref, failure, require=self._settings.require)
        return judged.verdict is Verdict.FAIL

    def _explained_by_base(
        self, proof: Proof, located: LocatedCase, bundle: Bundle, provider: str
    ) -> Proof:
        """Find where a lossy variant loses most: held against its base, tensor by tensor."""
        base = self._conversions.base_of(located.case, bundle)
        if base is None:
            unknown = not_explained("the bundle of its fp32 base is not in the cache any more")
            return replace(proof, explanation=unknown)
        completed = self._tasks.explain_lossy(located, bundle, base, provider)
        if completed.value is None:
            return replace(proof, explanation=not_explained(_why(completed)))
        explanation = from_json(Explanation, completed.value["explanation"])
        return replace(proof, explanation=explanation)

    def _explained(
        self, proof: Proof, located: LocatedCase, bundle: Bundle, provider: str
    ) -> Proof:
        """Find where the error comes from; the source is asked again when it is the converter."""
        folder = self._tasks.scratch("findings")
        completed = self._tasks.explain(located, bundle, provider, folder)
        if completed.value is not None and completed.value["explanation"]["guilty"] == "converter":
            asked = self._tasks.activations(
                located, self._conversions.info(located.case.entry), folder
            )
            known = folder / "activations.npz"
            if asked.value is not None and known.is_file():
                completed = self._tasks.explain(located, bundle, provider, folder, known)
        if completed.value is None:
            unknown = Explanation("", 0.0, (), None, f"not explained: {_why(completed)}")
            return replace(proof, explanation=unknown)
        explanation = from_json(Explanation, completed.value["explanation"])
        return replace(proof, explanation=explanation, findings=folder)


def _why(completed: Completed) -> str:
    """Why a piece of work has no result."""
    return completed.failure.reason if completed.failure else "it ended without a result"
