from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import proving
import pytest
from proving import as_float64

from conformance import runtime
from conformance.adapters.contract import Job
from conformance.adapters.sklearn import SklearnAdapter, SklearnModel
from conformance.adapters.sklearn_conversion import SklearnConversion
from conformance.adapters.sklearn_margins import margins
from conformance.adapters.sklearn_outputs import outputs_of
from conformance.adapters.sklearn_rounding import rounded_to_float32
from conformance.entry import ZooEntry
from conformance.errors import ExportError, LoadError
from conformance.model import Case
from conformance.onnx_check import check_model

sklearn = pytest.importorskip("sklearn")
joblib = pytest.importorskip("joblib")
pytest.importorskip("skl2onnx")

ROOT = Path(__file__).parents[2]
models = import_module("fixtures.sklearn_models")
ADAPTER = SklearnAdapter()


def job_for(
    source: str | dict[str, object],
    feeds: dict[str, np.ndarray],
    *,
    zoo_dir: Path = ROOT,
    opset: int = 22,
    **conversion: object,
) -> Job:
    if isinstance(source, str):
        source = {"factory": f"fixtures.sklearn_models:{source}"}
    entry = ZooEntry.model_validate(
        {
            "id": "model-under-test",
            "framework": "sklearn",
            "source": source,
            "inputs": {"factory": "unused.here:inputs"},
            "dynamic": {name: {0: "samples"} for name in feeds},
            "conversion": conversion,
        }
    )
    return Job(
        case=Case(entry, "skl2onnx", opset, "fp32"),
        conversion=SklearnConversion.model_validate(conversion),
        zoo_dir=zoo_dir,
        cache_dir=zoo_dir,
        offline=True,
        seed=0,
    )


def answers(model, feeds):
    return proving.answers(ADAPTER, model, feeds)


def loaded(estimator):
    """What the adapter makes of an estimator that a factory returned."""
    return SklearnModel(
        estimator, rounded_to_float32(estimator), outputs_of(estimator, raw_scores=False)
    )


def converted(source, sets, path, **conversion):
    """Load and export; returns the model and the path of the ONNX file."""
    job = job_for(source, sets[0], **conversion)
    model = ADAPTER.load(job)
    ADAPTER.export(model, job, sets[0], path)
    return model


def proof(model, sets, path):
    """The parity report of a converted model on all input sets."""
    data = proving.data_sets(ADAPTER, model, sets)
    dynamic = {name: {0: "samples"} for name in sets[0]}
    check_model(path, opset=22, inputs=sets[0], outputs=list(data[0].outputs), dynamic=dynamic)
    return proving.compared(path, data)


FAMILIES = [
    ("logistic_regression", {"data": "iris"}, ["label", "probabilities"]),
    ("linear_regression", {"data": "diabetes"}, ["variable"]),
    ("polynomial_ridge", {"data": "diabetes"}, ["variable"]),
    ("random_forest", {"data": "wine"}, ["label", "probabilities"]),
    ("gradient_boosting", {"data": "diabetes"}, ["variable"]),
    ("ada_boost", {"data": "iris"}, ["label", "probabilities"]),
    ("isolation_forest", {"data": "wine", "stretch": 1.5}, ["label", "scores"]),
    ("svm", {"data": "wine"}, ["label", "probabilities"]),
    ("svm_linear", {"data": "breast_cancer"}, ["label", "probabilities"]),
    ("svm_calibrated", {"data": "wine"}, ["label", "probabilities"]),
    ("svm_regression", {"data": "diabetes"}, ["variable"]),
    ("k_nearest_neighbours", {"data": "digits"}, ["label", "probabilities"]),
    ("gaussian_process", {"data": "diabetes"}, ["variable"]),
    ("multi_layer_perceptron", {"data": "digits"}, ["label", "probabilities"]),
    ("naive_bayes", {"data": "iris"}, ["label", "probabilities"]),
    ("voting", {"data": "wine"}, ["label", "probabilities"]),
    ("stacking", {"data": "diabetes"}, ["variable"]),
    ("k_means", {"data": "wine"}, ["label", "scores"]),
    ("gaussian_mixture", {"data": "iris"}, ["label", "probabilities"]),
    ("pca", {"data": "digits"}, ["variable"]),
    ("feature_union", {"data": "wine"}, ["variable"]),
]


@pytest.mark.filterwarnings("ignore:Attribute `prob._`:FutureWarning")
@pytest.mark.parametrize(("factory", "data", "outputs"), FAMILIES, ids=[f[0] for f in FAMILIES])
def test_a_family_is_converted_and_proven(factory, data, outputs, tmp_path):
    """Every output agrees with the estimator within the default tolerance, on every set."""
    path = tmp_path / "model.onnx"
    sets = models.held_out(seed=0, **data)
    model = converted(factory, sets, path)
    report = proof(model, sets, path)
    assert [output.name for output in report.outputs] == outputs
    assert report.all_problems == ()
    assert report.vacuous_outputs == ()
    floats = [output for output in report.outputs if output.dtype == "float32"]
    assert floats
    assert all(output.rule == "fp64-referenced" for output in floats)


def test_mixed_columns_are_joined_in_the_order_of_the_inputs(tmp_path):
    """A column transformer gets its numbers and words from one input each."""
    import onnx

    path = tmp_path / "model.onnx"
    sets = models.patients(seed=0)
    report = proof(converted("mixed_columns", sets, path), sets, path)
    assert report.all_problems == ()
    assert [i.name for i in onnx.load(path).graph.input] == ["numbers", "sex", "age_group"]


def test_text_reaches_a_vectorizer_as_documents(tmp_path):
    """A text pipeline takes strings of shape (n, 1) and answers with string labels."""
    path = tmp_path / "model.onnx"
    sets = models.lines_of_text(seed=0)
    model = converted("text_classifier", sets, path, options={"tfidfvectorizer__locale": "C"})
    report = proof(model, sets, path)
    assert report.all_problems == ()
    assert [output.dtype for output in report.outputs] == ["string", "float32"]


@pytest.mark.filterwarnings("ignore:Attribute `prob._`:FutureWarning")
def test_the_scores_of_a_binary_svc_have_the_wrong_sign(tmp_path):
    """The adapter asks for decision_function and so exposes what skl2onnx gets wrong."""
    path = tmp_path / "model.onnx"
    sets = models.held_out(seed=0, data="breast_cancer")
    report = proof(converted("svm_binary", sets, path), sets, path)
    label, scores = report.outputs
    assert label.problem is None
    assert scores.worst.expected == pytest.approx(-scores.worst.actual, rel=1e-4)


def test_a_clusterer_without_distances_answers_with_labels_alone():
    """Where there is no transform there are no scores, and nothing asks for them."""
    from sklearn.cluster import MeanShift

    model = loaded(MeanShift().fit(models.split("iris")[0]))
    assert [output.name for output in model.outputs] == ["label"]


def test_an_estimator_that_answers_nothing_about_new_rows_is_refused_at_load():
    """DBSCAN labels the rows that it was fitted on, and no others: there is nothing to convert."""
    from sklearn.cluster import DBSCAN

    with pytest.raises(LoadError, match="DBSCAN only describes the rows that it was fitted on"):
        loaded(DBSCAN().fit(models.split("iris")[0]))


def test_nearest_neighbours_are_compared_by_index_and_distance():
    """The two arrays of one method become the two outputs of the graph."""
    from sklearn.neighbors import NearestNeighbors

    x, _, held_out, _ = models.split("iris")
    model = loaded(NearestNeighbors(n_neighbors=3).fit(x))
    found = answers(model, {"x": held_out[:4].astype(np.float32)})
    assert list(found) == ["index", "distance"]
    assert found["index"].dtype == np.int64
    assert np.all(np.diff(found["distance"], axis=1) >= 0)


def test_a_wrong_parameter_in_the_graph_is_caught(tmp_path):
    """A relative error of 1e-4 in one coefficient exceeds the limit of the noise rule."""
    import onnx

    path = tmp_path / "model.onnx"
    sets = models.held_out(seed=0, data="iris")
    model = converted("logistic_regression", sets, path)
    damaged = onnx.load(path)
    node = next(n for n in damaged.graph.node if n.op_type == "LinearClassifier")
    next(a for a in node.attribute if a.name == "coefficients").floats[2] *= 1 + 1e-4
    onnx.save(damaged, path)
    report = proof(model, sets, path)
    assert "its limit" in report.all_problems[0]


def test_rounding_leaves_the_original_alone_and_touches_every_parameter():
    """The float32 copy holds float32 values, nested or not; the estimator keeps its own."""
    feeds = models.held_out(seed=0, data="wine")[0]
    model = ADAPTER.load(job_for("voting", feeds))
    forest = model.estimator[-1].named_estimators_["forest"].estimators_[0].tree_
    rounded_forest = model.answering[-1].named_estimators_["forest"].estimators_[0].tree_
    pairs = [
        (model.estimator[0].mean_, model.answering[0].mean_),
        (model.estimator[-1].estimators_[0].coef_, model.answering[-1].estimators_[0].coef_),
        (forest.threshold, rounded_forest.threshold),
    ]
    for original, rounded in pairs:
        assert (original != original.astype(np.float32)).any()
        assert (rounded == rounded.astype(np.float32)).all()
    assert (rounded_forest.threshold <= forest.threshold).all()


def test_rounding_changes_the_answers_of_histogram_gradient_boosting():
    """Leaves kept in structured arrays are rounded as well."""
    feeds = models.held_out(seed=0, data="breast_cancer")[2]
    model = ADAPTER.load(job_for("hist_gradient_boosting", feeds))
    noise = model.answering.decision_function(feeds["x"]) - model.estimator.decision_function(
        feeds["x"]
    )
    assert 0 < np.abs(noise).max() < 1e-5


def test_the_reference_stays_in_float64():
    """The float64 answers carry digits that float32 cannot hold."""
    feeds = models.held_out(seed=0, data="iris")[0]
    model = ADAPTER.load(job_for("logistic_regression", feeds))
    single = answers(model, feeds)["probabilities"]
    double = proving.answers_in_float64(ADAPTER, model, feeds)["probabilities"]
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert (double != double.astype(np.float32)).any()


def ensembles():
    """One of each kind of estimator that decides by trees, and the trees that are inside it."""
    from sklearn import ensemble as e
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

    tree = DecisionTreeClassifier(random_state=0)
    few = {"n_estimators": 3, "random_state": 0}
    members = [("linear", LogisticRegression(max_iter=5000)), ("tree", tree)]
    return [
        tree,
        ExtraTreeClassifier(random_state=0),
        e.RandomForestClassifier(**few),
        e.RandomForestRegressor(**few),
        e.ExtraTreesClassifier(**few),
        e.GradientBoostingClassifier(**few),
        e.GradientBoostingRegressor(**few),
        e.BaggingClassifier(max_features=0.5, **few),
        e.BaggingClassifier(e.AdaBoostClassifier(**few), **few),
        e.AdaBoostClassifier(**few),
        e.VotingClassifier(members),
        e.StackingRegressor([("tree", e.RandomForestRegressor(**few))], Ridge(), cv=2),
        e.IsolationForest(max_features=0.5, **few),
        e.HistGradientBoostingClassifier(max_iter=3),
    ]


def margins_of(estimator, table):
    return margins(estimator, rounded_to_float32(estimator), table)


def trees_in(estimator):
    """The trees of an ensemble whose members all see the whole table."""
    if hasattr(estimator, "tree_"):
        return [estimator.tree_]
    members = np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object))
    return [tree for member in members for tree in trees_in(member)]


WHOLE = [
    e for e in ensembles() if not hasattr(e, "max_iter") and getattr(e, "max_features", 1) != 0.5
]


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning")
@pytest.mark.parametrize("estimator", WHOLE, ids=lambda e: type(e).__name__)
def test_the_margin_is_that_of_the_closest_node_on_the_decision_paths(estimator):
    """Scikit-learn's own decision paths, followed node by node, give the same figures."""
    x, y, held_out, _ = models.split("wine")
    estimator.fit(x, y)
    rows = held_out[:9].astype(np.float32)
    closest = np.full(len(rows), np.inf)
    for tree in trees_in(estimator):
        path = tree.decision_path(rows)
        for row, node in zip(*path.nonzero(), strict=True):
            if tree.children_left[node] != -1:
                threshold = tree.threshold[node]
                distance = abs(float(rows[row, tree.feature[node]]) - threshold)
                ulps = distance / np.spacing(np.float32(abs(threshold)))
                closest[row] = min(closest[row], ulps)
    assert np.isfinite(closest).all()
    assert margins_of(estimator, rows).tolist() == closest.tolist()


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning")
@pytest.mark.parametrize("estimator", ensembles(), ids=lambda e: type(e).__name__)
def test_a_row_at_a_threshold_has_no_margin(estimator):
    """A value next to a threshold on its path is found in every kind of ensemble."""
    x, y, held_out, _ = models.split("wine")
    estimator.fit(x, y)
    row = held_out[:1].copy()
    feature, threshold = root_of(estimator)
    row[0, feature] = np.float32(threshold)
    assert margins_of(estimator, row)[0] <= 1


def root_of(estimator):
    """Feature and threshold of the root of the first tree in an estimator."""
    if hasattr(estimator, "_predictors"):
        node = estimator._predictors[0][0].nodes[0]
        return node["feature_idx"], node["num_threshold"]
    features = None
    while not hasattr(estimator, "tree_"):
        if hasattr(estimator, "estimators_features_"):
            features = estimator.estimators_features_[0]
        # in a voting of two, the tree is the last
        estimator = np.ravel(np.array(estimator.estimators_, dtype=object))[
            -1 if hasattr(estimator, "voting") else 0
        ]
    feature = estimator.tree_.feature[0]
    return feature if features is None else features[feature], estimator.tree_.threshold[0]


def test_missing_values_follow_their_own_branch():
    """NaN is sent left or right as at training, and is close to no threshold."""
    from sklearn.tree import DecisionTreeClassifier

    x = np.array([[np.nan, 0], [np.nan, 0], [1.0, 0], [2.0, 0], [2.0, 5.0], [2.0, 6.0]])
    tree = DecisionTreeClassifier(random_state=0).fit(x, [0, 0, 1, 1, 2, 2])
    assert np.isfinite(margins_of(tree, x)[2:]).all()
    lonely = DecisionTreeClassifier().fit(x[:4, :1], [0, 0, 1, 1])
    assert margins_of(lonely, x[:1, :1]).tolist() == [np.inf]


def test_no_trees_no_margins():
    """Estimators that do not decide by thresholds say so."""
    feeds = models.held_out(seed=0, data="iris")[0]
    assert ADAPTER.margins(ADAPTER.load(job_for("logistic_regression", feeds)), feeds) is None


def near_thresholds(pipeline, rows):
    """Rows with one feature within four float32 steps of where a root's comparison turns over."""
    near = []
    for number, tree in enumerate(pipeline[-1].estimators_):
        feature, threshold = tree.tree_.feature[0], tree.tree_.threshold[0]
        scaler = pipeline[0]
        value = np.float32(threshold * scaler.scale_[feature] + scaler.mean_[feature])
        for steps in range(-4, 5):
            row = rows[number % len(rows)].astype(np.float32)
            row[feature] = value + steps * np.spacing(value)
            near.append(row)
    return np.array(near)


def test_a_converted_forest_differs_only_where_the_margin_is_within_an_ulp(tmp_path):
    """Behind a scaler some rows at a threshold get another leaf in float32; no other row does."""
    from sklearn.ensemble import RandomForestClassifier

    x, y, held_out, _ = models.split("wine")
    pipeline = models._scaled(RandomForestClassifier(50, random_state=0)).fit(x, y)
    sets = [{"x": near_thresholds(pipeline, held_out)}, {"x": held_out.astype(np.float32)}]
    path = tmp_path / "model.onnx"
    job = job_for("random_forest", sets[0])
    model = replace(ADAPTER.load(job), estimator=pipeline, answering=rounded_to_float32(pipeline))
    ADAPTER.export(model, job, sets[0], path)
    session = runtime.create_session(path, "cpu")
    wanted = [proving.answers_in_float64(ADAPTER, model, feeds) for feeds in sets]
    actual = [runtime.run(session, feeds) for feeds in sets]
    margin = [ADAPTER.margins(model, feeds)["probabilities"] for feeds in sets]
    leaf = 0.5 / 50
    differs = [
        np.abs(a["probabilities"] - w["probabilities"]).max(axis=1) > leaf
        for a, w in zip(actual, wanted, strict=True)
    ]
    # the second set is plain held-out data: this happens without anybody looking for it
    for differing, narrowest in zip(differs, margin, strict=True):
        assert differing.any()
        assert (narrowest[differing] <= 1).all()
        assert (narrowest > 1).any()
    report = proof(model, sets[1:], path)
    assert report.all_problems == report.vacuous_outputs == ()
    assert report.outputs[1].set_aside == np.count_nonzero(differs[1])


def test_a_custom_conversion_function_replaces_the_stock_converter(tmp_path):
    """The converter that an entry names is used, where the stock one fails."""
    path = tmp_path / "model.onnx"
    sets = models.held_out(seed=0, data="breast_cancer")
    functions = {
        "sklearn.ensemble:HistGradientBoostingClassifier": (
            "fixtures.sklearn_models:convert_with_integer_flags"
        )
    }
    model = converted("hist_gradient_boosting", sets, path, custom_conversion_functions=functions)
    assert proof(model, sets, path).all_problems == ()


def test_name_doc_string_and_initial_types_reach_the_graph(tmp_path):
    """The parameters of convert_sklearn that an entry gives are handed over."""
    import onnx

    path = tmp_path / "model.onnx"
    sets = models.held_out(seed=0, data="iris")
    converted(
        "logistic_regression",
        sets,
        path,
        name="irises",
        doc_string="three species",
        initial_types=[["x", "FloatTensorType([None, 4])"]],
    )
    model = onnx.load(path)
    assert (model.graph.name, model.doc_string) == ("irises", "three species")
    assert [i.version for i in model.opset_import if i.domain == ""] == [22]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd()",
        "FloatTensorType([None, 4]).__class__",
        "FloatTensorType([open('x')])",
        "NoSuchTensorType([None, 4])",
        "FloatTensorType([None, 4",
    ],
)
def test_initial_types_are_never_run(text, tmp_path):
    """Whatever is not a plain tensor type is refused with the form that is meant."""
    sets = models.held_out(seed=0, data="iris")
    with pytest.raises(ExportError, match=r"not of the form FloatTensorType\(\[None, 4\]\)"):
        converted("logistic_regression", sets, tmp_path / "m.onnx", initial_types=[["x", text]])


def test_initial_types_must_name_the_inputs(tmp_path):
    """A misnamed input is told together with the names of the input sets."""
    sets = models.held_out(seed=0, data="iris")
    types = [["X", "FloatTensorType([None, 4])"]]
    with pytest.raises(ExportError, match=r"names \['X'\], the input sets hold \['x'\]"):
        converted("logistic_regression", sets, tmp_path / "m.onnx", initial_types=types)


def test_a_contradicting_opset_is_refused(tmp_path):
    """target_opset cannot differ from the opset of the case."""
    sets = models.held_out(seed=0, data="iris")
    with pytest.raises(ExportError, match="'target_opset' is 17, but this case is for opset 22"):
        converted("logistic_regression", sets, tmp_path / "m.onnx", target_opset=17)


def test_float64_inputs_are_refused(tmp_path):
    """A graph in double precision would have no finer reference, so it is not proven."""
    sets = [as_float64(models.held_out(seed=0, data="iris")[0])]
    with pytest.raises(ExportError, match="give float32 input sets"):
        converted("logistic_regression", sets, tmp_path / "m.onnx")


def test_a_missing_converter_is_an_export_error(tmp_path):
    """An estimator that skl2onnx does not know fails at export, by name, in one line."""
    sets = models.held_out(seed=0, data="wine")
    with pytest.raises(ExportError, match=r"MissingShapeCalculator: .*Birch") as caught:
        converted("birch", sets, tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)


def test_a_skops_file_is_loaded(tmp_path):
    """A model saved by skops answers as the original does."""
    from skops import io

    feeds = models.held_out(seed=0, data="iris")[0]
    estimator = models.logistic_regression()
    io.dump(estimator, tmp_path / "model.skops")
    model = ADAPTER.load(job_for({"path": "model.skops"}, feeds, zoo_dir=tmp_path))
    assert (model.estimator.predict(feeds["x"]) == estimator.predict(feeds["x"])).all()


def test_a_skops_file_with_unknown_types_is_refused(tmp_path):
    """A function inside a skops file is named, not run."""
    from sklearn.preprocessing import FunctionTransformer
    from skops import io

    io.dump(FunctionTransformer(models.held_out).fit([[1.0]]), tmp_path / "model.skops")
    feeds = models.held_out(seed=0, data="iris")[0]
    with pytest.raises(LoadError, match=r"not know to be safe: fixtures\.sklearn_models\.held_out"):
        ADAPTER.load(job_for({"path": "model.skops"}, feeds, zoo_dir=tmp_path))


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl"])
def test_a_pickle_needs_leave(name, tmp_path):
    """A pickled model is refused, and loaded once the entry allows it."""
    feeds = models.held_out(seed=0, data="iris")[0]
    joblib.dump(models.logistic_regression(), tmp_path / name)
    with pytest.raises(LoadError, match="'allow_pickle: true' if you trust its author"):
        ADAPTER.load(job_for({"path": name}, feeds, zoo_dir=tmp_path))
    allowed = job_for({"path": name, "allow_pickle": True}, feeds, zoo_dir=tmp_path)
    assert answers(ADAPTER.load(allowed), feeds)["label"].shape == (5,)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"path": "absent.skops"}, "there is no file"),
        ({"path": "damaged.skops"}, "no readable skops file"),
        ({"path": "model.onnx"}, "is none of .skops"),
        ({"hub": "org/name"}, "come from factory or path, not hub"),
        ({"factory": "builtins:dict"}, "gave a dict, not an estimator"),
        ({"factory": "sklearn.linear_model:Ridge"}, "Ridge is not fitted"),
    ],
)
def test_what_cannot_be_loaded_says_why(source, message, tmp_path):
    """Each wrong source is told apart."""
    (tmp_path / "damaged.skops").write_bytes(b"not a zip archive")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(LoadError, match=message):
        ADAPTER.load(job_for(source, {}, zoo_dir=tmp_path))
