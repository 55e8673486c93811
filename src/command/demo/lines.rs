//! The curl lines that a demo stands for. Pasted into a shell, they do the same.

/// The lines for a server at `base` and the files in `folder`, for a dataset called `name`.
pub fn curl_lines(base: &str, folder: &str, name: &str) -> String {
    [
        format!("BASE={base}"),
        format!("curl -sS $BASE/v1/datasets -H 'Content-Type: application/json' -d @{folder}/dataset.json"),
        format!("curl -sS -T {folder}/table.csv $BASE/v1/datasets/{name}/rows -H 'Content-Type: text/csv'"),
        format!(
            "JOB=$(curl -sS -D - -o /dev/null $BASE/v1/jobs -H 'Content-Type: application/json' -d @{folder}/job.json \
             | sed -n 's/^location: //p' | tr -d '\\r')"
        ),
        "until curl -sS \"$BASE$JOB?wait=60\" | tee /dev/stderr | grep -q '\"finished_at\":\"'; do :; done".into(),
        format!("curl -sS $BASE$JOB/synthetic -o {folder}/synthetic-by-curl.csv"),
        "curl -sS $BASE$JOB/report".into(),
        format!("curl -sS $BASE/v1/datasets/{name}/budget"),
    ]
    .join("\n")
}
